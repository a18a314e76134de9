"""The words of simulated worlds: chats, honest work, collectors' tasks and model answers."""

from __future__ import annotations

from stillwatch.simulation.text.library import TextLibrary, load_text
from stillwatch.simulation.text.words import AnswerStyle, Task, Variety, WorkKind

__all__ = ["AnswerStyle", "Task", "TextLibrary", "Variety", "WorkKind", "load_text"]
