"""Keys of secrets at rest are replaced without losing any secret."""

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlmodel import col, select

from riveredge_kernel.rotation import Rotation, rotate
from riveredge_kernel.tenancy.models import TenantSettingsRow
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.testing.platform import ApiClient, TestTenant

pytestmark = pytest.mark.database


def turn(platform: ThreadedPlatform, keys: MultiFernet) -> Rotation:
    async def work() -> Rotation:
        with use_context(Context(runtime=platform.platform.runtime)):
            return await rotate(platform.platform.database, platform.platform.runtime, keys)

    return platform.run(work())


def stored(platform: ThreadedPlatform, tenant: TestTenant) -> bytes:
    async def read() -> bytes:
        kernel = platform.platform
        async with kernel.database.system("test", kernel.runtime, read_only=True) as db:
            query = select(TenantSettingsRow).where(col(TenantSettingsRow.tenant_id) == tenant.id)
            found = (await db.exec(query)).one().secrets
            assert found is not None
            return found.encode()

    return platform.run(read())


def test_an_old_key_can_go_after_the_rotation(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient
) -> None:
    saved = client.put("/api/v1/settings/messaging", json={"smtp_password": "s3cret-word"})
    assert saved.status_code == 200, saved.text
    old = Fernet((platform.platform.settings.var_dir / "secret_key").read_bytes())
    new = Fernet(Fernet.generate_key())
    assert b"s3cret-word" in old.decrypt(stored(platform, tenant))
    try:
        done = turn(platform, MultiFernet([new, old]))
        assert done.rotated >= 1
        assert b"s3cret-word" in new.decrypt(stored(platform, tenant))
        with pytest.raises(InvalidToken):
            old.decrypt(stored(platform, tenant))
    finally:
        # The platform of this session goes on with its own key.
        turn(platform, MultiFernet([old, new]))
    assert client.get("/api/v1/settings/messaging").json()["values"]["smtp_password"] == "********"


def test_what_no_key_opens_is_named_and_left(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
    client.put("/api/v1/settings/messaging", json={"smtp_password": "s3cret-word"})
    before = stored(platform, tenant)
    done = turn(platform, MultiFernet([Fernet(Fernet.generate_key())]))
    assert any(where.startswith("kernel_tenant_settings ") for where in done.unreadable)
    assert stored(platform, tenant) == before
