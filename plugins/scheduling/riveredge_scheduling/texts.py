"""Sentences for people: why a fire did not run, and what is special about an instant."""

from collections.abc import Mapping
from typing import Any

# By code: English, Chinese. The words in braces are the details kept with a fire.
_TEXTS: Mapping[str, tuple[str, str]] = {
    # Why it did not run.
    "paused": ("The schedule was paused.", "计划任务已暂停。"),
    "paused_many": ("The schedule was paused: {count} fires.", "计划任务暂停期间共有 {count} 次触发。"),
    "busy": ("The run of {nominal} was still going.", "{nominal} 的运行尚未结束。"),
    "waiting_already": (
        "The run of {nominal} was still going, and one was waiting already.",
        "{nominal} 的运行尚未结束，且已有一次在等待。",
    ),
    "buffer_full": (
        "The run of {nominal} was still going, and {count} were waiting, which is the limit.",
        "{nominal} 的运行尚未结束，等待数已达上限 {count}。",
    ),
    "waits_for": ("Waits for the run of {nominal} to end.", "等待 {nominal} 的运行结束。"),
    "in_turn": ("Waits for its turn: one at a time, oldest first.", "依次执行，从最早的开始。"),
    "replaced": ("The fire of {nominal} took its place.", "被 {nominal} 的触发取代。"),
    "late": ("It was {seconds} s late; up to {grace} s are allowed.", "迟到 {seconds} 秒，允许 {grace} 秒。"),
    "late_many": ("{count} fires were missed while nothing ran.", "停机期间错过了 {count} 次触发。"),
    "later_runs": ("It was late, and a later fire runs in its stead.", "已迟到，由之后的触发代为执行。"),
    "too_old": (
        "{count} missed fires lay outside of what is caught up.",
        "{count} 次错过的触发超出补跑范围。",
    ),
    "edited": ("The schedule was changed after this fire was planned.", "触发计划后计划任务已被修改。"),
    "deleted": ("The schedule was deleted meanwhile.", "计划任务已被删除。"),
    "requested": ("Somebody asked to skip it.", "已按要求跳过。"),
    "holiday": ("No workday ({name}): {count} left out on this day.", "非工作日（{name}），当天跳过 {count} 次。"),
    "weekend_off": ("No workday (weekend): {count} left out on this day.", "非工作日（周末），当天跳过 {count} 次。"),
    "max_runs": ("It has run {count} times, which is its limit.", "已运行 {count} 次，达到上限。"),
    "quota": ("Waits: {count} actions of the organisation run already.", "等待：组织已有 {count} 个任务在运行。"),
    "cancelled_by": ("Somebody cancelled it.", "已被取消。"),
    "lease": ("Its process died or did not answer in time.", "执行进程已终止或未及时响应。"),
    "no_action": ("The action {action} is not there any more.", "动作 {action} 已不存在。"),
    "bad_params": ("Its parameters do not fit the action any more: {mistakes}", "其参数已不符合该动作：{mistakes}"),
    "no_owner": ("Its owner is no active member any more.", "其所有者已不是有效成员。"),
    "no_permission": ("Its owner may not do this any more: {permission}.", "其所有者已无权限：{permission}。"),
    # What is special about an instant.
    "gap": (
        "{wall} does not exist on this day: clocks jump ahead. It runs once, right after.",
        "当天不存在 {wall}（时钟前跳），跳变后立即运行一次。",
    ),
    "fold": ("{wall} comes twice on this day. It runs once, at the first.", "当天 {wall} 出现两次，仅在第一次运行。"),
    "fold_repeat": (
        "Clocks fall back: {wall} comes twice, and it runs both times.",
        "时钟回拨：{wall} 出现两次，两次均运行。",
    ),
    "moved": ("Moved from {wall}, which is no workday ({name}).", "原定 {wall} 非工作日（{name}），已调整。"),
    "off": ("Skipped: no workday ({name}).", "非工作日（{name}），跳过。"),
    "weekend": ("weekend", "周末"),
    "jitter": ("Starts at {wall}, spread by up to {seconds} s.", "错峰至 {wall} 开始（最多 {seconds} 秒）。"),
    "no_plan": (
        "It has no plan: the first run starts at once, each further one {seconds} s after the end of the one before.",
        "没有固定计划：首次立即运行，之后每次在上一次结束 {seconds} 秒后运行。",
    ),
    "self_overlap": (
        "It usually takes {seconds} s, and fires every {gap} s at its densest: runs will meet.",
        "通常耗时 {seconds} 秒，而最短间隔为 {gap} 秒，运行会重叠。",
    ),
    "crowded": (
        "{count} other schedules fire within the same minute as the next one: think of a jitter.",
        "下一次触发的同一分钟还有 {count} 个计划任务，可考虑错峰。",
    ),
}


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(code: str, locale: str, details: Mapping[str, Any] | None = None) -> str:
    """The sentence of a code, in Chinese for Chinese locales, else in English."""
    english, chinese = _TEXTS[code]
    template = chinese if locale.partition("-")[0].lower() == "zh" else english
    return template.format_map(_Known(details or {}))


def is_known(code: str) -> bool:
    """Whether there is a sentence for it."""
    return code in _TEXTS
