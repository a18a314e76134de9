"""Keys, normalisation and keyed tokens: the one place that sees a raw identifier."""

from stillwatch.identity.columns import CLEAR_IDENTIFIERS, RAW_COLUMNS, name_exchanges, tokenise
from stillwatch.identity.domains import CLEAR_DOMAIN_ACCOUNTS, DomainCensus
from stillwatch.identity.keys import Key, KeySource, create_key, decode_key, store_key
from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = [
    "CLEAR_DOMAIN_ACCOUNTS",
    "CLEAR_IDENTIFIERS",
    "RAW_COLUMNS",
    "DomainCensus",
    "Key",
    "KeySource",
    "Kind",
    "Tokeniser",
    "create_key",
    "decode_key",
    "name_exchanges",
    "store_key",
    "tokenise",
]
