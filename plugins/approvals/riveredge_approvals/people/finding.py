"""Ask the resolvers: what each selector of a node found."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from riveredge_approvals.ir.document import Selector
from riveredge_approvals.people.resolvers.registry import find_resolver
from riveredge_sdk.features.approvals import Found, Request
from riveredge_sdk.problems import Problem

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a selector found."""

    selector: Selector
    found: Found


async def find_each(request: Request, selectors: Sequence[Selector]) -> list[Answer]:
    """What the selectors find now, in their order. One that fails finds nobody, with the reason as a warning."""
    return [Answer(selector, await _find(request, selector)) for selector in selectors]


async def _find(request: Request, selector: Selector) -> Found:
    resolver = find_resolver(selector.resolver)
    if resolver is None:
        return _nobody(
            f"the rule {selector.resolver!r} is not there: its plugin is missing, or is switched off",
            f"规则 {selector.resolver} 不可用：插件未安装或已停用",
        )
    try:
        config = resolver.config.model_validate(dict(selector.config))
        return await resolver.resolve(request, config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _nobody(
            f"the rule {selector.resolver!r} has a bad configuration: {where}: {first['msg']}",
            f"规则 {selector.resolver} 的配置有误：{where}：{first['msg']}",
        )
    except (LookupError, ValueError, Problem) as error:
        log.warning("an approver resolver failed", resolver=selector.resolver, error=str(error))
        return _nobody(
            f"the rule {selector.resolver!r} failed: {error}",
            f"规则 {selector.resolver} 未能执行：{getattr(error, 'chinese', error)}",
        )


def _nobody(why: str, chinese: str) -> Found:
    return Found((), why, [{"en": why, "zh-CN": chinese}], {"zh-CN": chinese})
