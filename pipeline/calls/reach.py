"""Which calls somebody may see or touch: data, so that it can travel to wherever the calls are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.calls.info import CallInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReach:
    """A set of calls; every part narrows.

    Attributes:
        tenant: only this company's; None for those of all.
        sender: only those that this principal began; None for those of all.
        agent_id: with ``teams``, those that this agent answers; see there.
        teams: None for all calls of the company; else only those of these teams, and the agent's own.
    """

    tenant: str | None = None
    sender: str | None = None
    agent_id: str | None = None
    teams: frozenset[str] | None = None

    def takes(self, info: CallInfo) -> bool:
        """Tell whether a call is one of them."""
        if self.tenant is not None and info.tenant != self.tenant:
            return False
        if self.sender is not None and info.sender != self.sender:
            return False
        if self.teams is None:
            return True
        own = self.agent_id is not None and info.agent_id == self.agent_id
        return own or (info.team is not None and info.team in self.teams)


EVERYTHING = CallReach()
"""All calls; for the server's own work, and for the development identity."""
