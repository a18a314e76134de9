"""The verdict store: who may decide, what was decided, and a record that nobody can mend unseen."""

from stillwatch.policy.store.principals import Principal, PrincipalRole
from stillwatch.policy.store.store import Store, default_url

__all__ = ["Principal", "PrincipalRole", "Store", "default_url"]
