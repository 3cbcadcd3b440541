"""Settings of plugins: from the environment, and from the files it names."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from riveredge_sdk.settings import PluginSettings, TenantSettings, plugin_settings


class Server(BaseModel):
    model_config = ConfigDict(extra="forbid")

    host: str = "localhost"
    password: SecretStr | None = None


class Paper(PluginSettings):
    model_config = plugin_settings("paper")

    trays: int = 1
    sizes: list[str] = []  # noqa: RUF012
    server: Server = Server()
    key: SecretStr | None = None


class Greeting(TenantSettings):
    text: str = "Hello"


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVEREDGE_PAPER__TRAYS", "3")
    monkeypatch.setenv("RIVEREDGE_PAPER__SERVER__HOST", "printer")
    monkeypatch.setenv("RIVEREDGE_PAPER__COLOUR", "unknown names are somebody else's")
    assert Paper().trays == 3
    assert Paper().server.host == "printer"
    assert Paper(trays=4).trays == 4


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("key", "password"):
        (tmp_path / name).write_text(f"the {name} \n", encoding="utf-8")
    monkeypatch.setenv("RIVEREDGE_PAPER__KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("RIVEREDGE_PAPER__SERVER__PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("RIVEREDGE_PAPER__SERVER__HOST", "printer")
    made = Paper()
    assert made.key is not None
    assert made.key.get_secret_value() == "the key "
    assert made.server.password is not None
    assert made.server.password.get_secret_value() == "the password "
    assert made.server.host == "printer"
    assert "the password" not in repr(made)


def test_the_environment_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "trays").write_text("5", encoding="utf-8")
    monkeypatch.setenv("RIVEREDGE_PAPER__TRAYS_FILE", str(tmp_path / "trays"))
    assert Paper().trays == 5
    monkeypatch.setenv("RIVEREDGE_PAPER__TRAYS", "6")
    assert Paper().trays == 6
    monkeypatch.setenv("RIVEREDGE_PAPER__TRAYS", "")
    assert Paper().trays == 5
    monkeypatch.delenv("RIVEREDGE_PAPER__TRAYS_FILE")
    assert Paper().trays == 1


def test_a_file_holds_what_the_variable_would(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sizes").write_text('["A4", "A5"]\r\n', encoding="utf-8")
    monkeypatch.setenv("RIVEREDGE_PAPER__SIZES_FILE", str(tmp_path / "sizes"))
    monkeypatch.setenv("RIVEREDGE_PAPER__KEY_FILE", "")
    assert Paper().sizes == ["A4", "A5"]
    assert Paper().key is None


def test_a_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIVEREDGE_PAPER__KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Paper()


def test_files_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIVEREDGE_PAPER__COLOUR_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("RIVEREDGE_INK__KEY_FILE", str(tmp_path / "nowhere"))
    assert Paper().key is None


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Paper().trays = 2
    with pytest.raises(ValidationError, match="frozen"):
        Greeting().text = "Bye"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Greeting.model_validate({"txt": "Bye"})
