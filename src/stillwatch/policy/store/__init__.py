"""The verdict store: who may decide, what was decided, and a record that nobody can mend unseen."""

from stillwatch.policy.store.opening import StoreDoor
from stillwatch.policy.store.principals import Principal, PrincipalRole
from stillwatch.policy.store.store import Store, StoreAwayError, default_url

__all__ = ["Principal", "PrincipalRole", "Store", "StoreAwayError", "StoreDoor", "default_url"]
