"""Keys, normalisation and keyed tokens: the one place that sees a raw identifier."""

from stillwatch.identity.columns import (
    CLEAR_IDENTIFIERS,
    MADE_FROM,
    RAW_COLUMNS,
    name_exchanges,
    tokenise,
)
from stillwatch.identity.domains import CLEAR_DOMAIN_ACCOUNTS, DomainCensus
from stillwatch.identity.gateway_keys import GatewayKeys
from stillwatch.identity.keys import (
    MOST_KEY_BYTES,
    Key,
    KeySource,
    create_key,
    decode_key,
    rotate_key,
    store_key,
)
from stillwatch.identity.metadata import may_be_a_secret
from stillwatch.identity.rotation import TOKEN_COLUMNS, with_newer_tokens
from stillwatch.identity.signing_keys import (
    SigningKey,
    VerifyKeys,
    create_signing_key,
    read_signing_key,
    read_verify_keys,
)
from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = [
    "CLEAR_DOMAIN_ACCOUNTS",
    "CLEAR_IDENTIFIERS",
    "MADE_FROM",
    "MOST_KEY_BYTES",
    "RAW_COLUMNS",
    "TOKEN_COLUMNS",
    "DomainCensus",
    "GatewayKeys",
    "Key",
    "KeySource",
    "Kind",
    "SigningKey",
    "Tokeniser",
    "VerifyKeys",
    "create_key",
    "create_signing_key",
    "decode_key",
    "may_be_a_secret",
    "name_exchanges",
    "read_signing_key",
    "read_verify_keys",
    "rotate_key",
    "store_key",
    "tokenise",
    "with_newer_tokens",
]
