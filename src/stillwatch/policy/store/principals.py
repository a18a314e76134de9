"""Who acts: people with roles, and the parts of the system that act by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stillwatch.records import StillwatchError

__all__ = ["NotAllowedError", "Principal", "PrincipalRole"]


class PrincipalRole(StrEnum):
    """What somebody may do; an approver may do what an analyst may, who may what a viewer may."""

    VIEWER = "viewer"
    """Look."""
    ANALYST = "analyst"
    """Propose steps, and decide appeals."""
    APPROVER = "approver"
    """Approve what somebody else proposed, put a policy in force, and roll back."""
    ADMINISTRATOR = "administrator"
    """Make and disable people; nothing else."""


_INCLUDED = {
    PrincipalRole.VIEWER: frozenset({PrincipalRole.VIEWER}),
    PrincipalRole.ANALYST: frozenset({PrincipalRole.VIEWER, PrincipalRole.ANALYST}),
    PrincipalRole.APPROVER: frozenset(
        {PrincipalRole.VIEWER, PrincipalRole.ANALYST, PrincipalRole.APPROVER}
    ),
    PrincipalRole.ADMINISTRATOR: frozenset({PrincipalRole.VIEWER, PrincipalRole.ADMINISTRATOR}),
}


class NotAllowedError(StillwatchError):
    """Somebody asked for what their roles do not include."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known by name. `Principal.system` is a part of stillwatch, never a person."""

    name: str
    roles: frozenset[PrincipalRole]

    @classmethod
    def system(cls, part: str) -> Principal:
        """A part of stillwatch that acts by itself: it proposes, and approves nothing."""
        return cls(f"system:{part}", frozenset({PrincipalRole.ANALYST}))

    def may(self, role: PrincipalRole) -> bool:
        """Whether one of the roles includes this one."""
        return any(role in _INCLUDED[own] for own in self.roles)

    def require(self, role: PrincipalRole) -> None:
        """Go on only with this role.

        Raises:
            NotAllowedError: The roles do not include it.
        """
        if not self.may(role):
            raise NotAllowedError(
                f"{self.name} is no {role.value}.",
                remedy=f"Ask somebody who is {_article(role)}, or an administrator for the role.",
            )


def _article(role: PrincipalRole) -> str:
    return f"an {role.value}" if role.value[0] in "aeiou" else f"a {role.value}"
