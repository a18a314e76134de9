"""E-mail domains: in clear where many share one, for a rare domain is as good as a name."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = ["CLEAR_DOMAIN_ACCOUNTS", "DomainCensus"]

# The contract's figure: below it, a domain may single out a firm or a person.
CLEAR_DOMAIN_ACCOUNTS = 20


class DomainCensus:
    """Tokenises the domains of a whole import and remembers which token is which.

    Whoever holds the accounts then shows those in clear that enough accounts share. The
    memory lasts as long as the import; it is never written.
    """

    def __init__(self, tokeniser: Tokeniser) -> None:
        self._tokeniser = tokeniser
        self.domain_by_token: dict[str, str] = {}

    def conceal(self, accounts: pa.Table) -> pa.Table:
        """`accounts` with a token for every domain in clear."""
        domains = accounts["email_domain"]
        for domain in pc.unique(domains).to_pylist():
            if domain and self._is_clear(domain):
                self.domain_by_token.setdefault(self._token(domain), domain.strip().lower())
        hidden = [
            self._token(domain) if domain and self._is_clear(domain) else domain
            for domain in domains.to_pylist()
        ]
        where = accounts.column_names.index("email_domain")
        return accounts.set_column(where, "email_domain", pa.array(hidden, pa.string()))

    def _token(self, domain: str) -> str:
        return self._tokeniser.token(Kind.EMAIL_DOMAIN, domain.strip().lower())

    def _is_clear(self, domain: str) -> bool:
        # Another provider's tokens have no dot; ours start with their kind.
        return "." in domain and not domain.startswith(f"{Kind.EMAIL_DOMAIN.value}_")
