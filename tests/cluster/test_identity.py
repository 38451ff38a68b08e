"""Several nodes that ask who somebody is: one store of tokens, one audit log."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.access.tokens import AccessStore, ApiToken
from pipeline.audit.log import AuditLog
from pipeline.audit.verify import verify
from pipeline.sections.access import AccessRole
from pipeline.sections.audit import AuditSettings
from tests.cluster.processes import call, cluster

pytestmark = [pytest.mark.integration, pytest.mark.model]


async def test_nodes_know_the_same_people_and_write_one_audit_log(tmp_path: Path) -> None:
    store = AccessStore(str(tmp_path / "access.db"))
    wanted = ApiToken(
        prefix="", owner="switch", tenant="bank", roles=frozenset({AccessRole.TELEPHONY}),
        created_at=time.time(),
    )  # fmt: skip
    token = store.create(wanted)
    store.close()
    sections: dict[str, dict[str, Any]] = {
        "access": {"identity": "required", "store": str(tmp_path / "access.db")},
        "audit": {"folder": str(tmp_path / "audit")},
    }
    async with cluster(tmp_path, 2, None, **sections) as started:
        nobody = await call(started.port, "nobody", 1.0, pace=4.0)
        names = [f"call-{number}" for number in range(6)]
        told = await asyncio.gather(*(call(started.port, name, 2.0, token=token) for name in names))
    assert nobody.error.startswith("UNAUTHENTICATED")
    assert [(heard.error, heard.ended) for heard in told] == [("", "client")] * len(names)
    log = AuditLog(tmp_path / "audit", AuditSettings().origin)
    assert verify(tmp_path / "audit", log.signer.verifier).problem is None
    written = "".join(file.read_text("utf-8") for file in sorted((tmp_path / "audit").glob("audit-*.jsonl")))
    for name in names:
        assert name in written
