"""The closed vocabularies of simulated text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stillwatch.records import Target

__all__ = ["AnswerStyle", "Task", "Variety", "WorkKind"]


class Variety(StrEnum):
    """Which half of all wordings and sources a world may use.

    Detectors are built on worlds of the first half and judged on worlds of the second: the
    halves share no template, no topic and no source of real prompts.
    """

    BUILD = "build"
    HELD_OUT = "held_out"
    ALL = "all"


class WorkKind(StrEnum):
    """An honest reason to send many prompts, named after who sends them."""

    DEVELOPER = "developer"
    AGENT_PUBLIC_SYSTEM = "agent_public_system"
    VIRAL_PROMPT = "viral_prompt"
    HACKATHON = "hackathon"
    ENTERPRISE_SEAT = "enterprise_seat"
    EVALUATION_LAB = "evaluation_lab"
    NIGHTLY_JOB = "nightly_job"
    CI_REVIEW = "ci_review"
    SYNTHETIC_DATA_TEAM = "synthetic_data_team"
    AGGREGATOR = "aggregator"
    ANNOTATION = "annotation"
    AUDIT_REASONING = "audit_reasoning"
    RAG_BACKFILL = "rag_backfill"
    CATALOGUE = "catalogue"
    SHARDED_BACKFILL = "sharded_backfill"
    AGENCY = "agency"
    NICHE_APP = "niche_app"
    MCP_SERVER = "mcp_server"
    SDK_DEFAULT = "sdk_default"
    PROMPT_PACK = "prompt_pack"
    MENTOR_STUDENTS = "mentor_students"
    PROMPT_OPTIMISER = "prompt_optimiser"
    RED_TEAM_VENDOR = "red_team_vendor"
    CONTAMINATION_CHECK = "contamination_check"
    REASONING_STUDY = "reasoning_study"
    RETURNING_CHAT = "returning_chat"
    TUTORIAL_READER = "tutorial_reader"
    NOTEBOOK_USER = "notebook_user"
    ROUTER_CLIENT = "router_client"
    SUPPORT_BOT = "support_bot"


class AnswerStyle(StrEnum):
    """The shape of a model's answer; `AUTO` follows the target, or else the prompt."""

    AUTO = "auto"
    PROSE = "prose"
    LIST = "list"
    CODE = "code"
    JSON = "json"
    LABEL = "label"
    GRADE = "grade"
    REASONING = "reasoning"
    PLAN = "plan"
    ANALYSIS = "analysis"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Task:
    """One item of a collector's queue.

    Attributes:
        item: Unique and stable id of the task in its source.
        text: The task phrased on its own, with what is wanted of it.
        target: What the answer is wanted for.
        language: Language of the text, as an ISO 639-1 code.
        material: The task without the sentence that says what is wanted: what a wrapper wraps.
    """

    item: str
    text: str
    target: Target
    language: str
    material: str
