"""Which configuration of a push service a device is reached through."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from riveredge_messaging.configs.catalog import Usable, configs_of
from riveredge_messaging.configs.choosing import Choice, Choices
from riveredge_messaging.configs.health import begin_probe, healths, locked
from riveredge_messaging.configs.results import Result
from riveredge_messaging.reach.models import PUSH, WEB_PUSH, Device
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import ConfigurationFailure, RenderedMessage, TemporaryFailure


@dataclass(frozen=True, slots=True)
class Route:
    """The configurations for some devices, in the order in which they are used; or why there are none."""

    configs: Sequence[Usable] = ()
    none: Exception | None = None

    async def send(self, token: str, message: RenderedMessage, results: list[Result]) -> str:
        """Hand the message over; the service's own id of it. What came of each configuration is added to `results`.

        Raises:
            PermanentFailure, TemporaryFailure, ConfigurationFailure, UnknownOutcome: see `MessageProvider.send`.
        """
        failed = self.none
        for config in self.configs:
            try:
                result = await config.provider.send(config.settings, replace(message, address=token))
            except ConfigurationFailure as failure:
                # Another one takes over.
                results.append(Result.of(config, failure))
                failed = failure
            except Exception as failure:
                results.append(Result.of(config, failure))
                raise
            else:
                results.append(Result.of(config, None))
                return result.reference
        raise failed or ConfigurationFailure("Nothing is configured for this device.")


@dataclass(slots=True)
class Routes:
    """The organisation's configurations of push services, at one instant."""

    message: RenderedMessage
    pinned: str | None
    choices: Choices
    _known: dict[tuple[str, str, str], Route] = field(default_factory=dict)

    @staticmethod
    async def load(message: RenderedMessage, pinned: str | None) -> "Routes":
        """What there is. `pinned` is the key of the only configuration that may be used: it is tested."""
        configs, broken = await configs_of(PUSH)
        known = await healths([config.key for config in configs])
        return Routes(message, pinned, Choices(configs, broken, known, utcnow()))

    def to(self, device: Device) -> Route | None:
        """The way to a device; None: it is not meant."""
        if device.provider == WEB_PUSH:
            return Route() if self.pinned is None else None
        key = (device.provider, device.app, device.environment)
        if key not in self._known:
            self._known[key] = self._find(*key)
        route = self._known[key]
        return None if self.pinned is not None and not route.configs else route

    def _find(self, provider: str, app: str, environment: str) -> Route:
        fitting = [
            config
            for config in self.choices.configs
            if config.provider.id == provider and config.provider.reaches(config.settings, app, environment)
        ]
        choices = replace(self.choices, configs=fitting, probing=self.choices.probing)
        choice = choices.choose(self.message, (), self.pinned)
        if choice.config is None:
            return Route(none=self._why(choice, provider))
        by_key = {config.key: config for config in fitting}
        return Route([choice.config, *(by_key[key] for key in choice.others)])

    def _why(self, choice: Choice, provider: str) -> Exception:
        if choice.again_at is None:
            return ConfigurationFailure(f"Nothing is configured for devices of {provider}: {choice.error}")
        wait = (choice.again_at - self.choices.now).total_seconds()
        return TemporaryFailure(choice.error, retry_after=max(wait, 1))

    async def begin(self) -> None:
        """Let this message try the configurations that nobody knows to work again. Before it is handed over."""
        for key in sorted(self.choices.probing):
            begin_probe(await locked(key), self.choices.now)
