"""The finding as a page a person can check."""

from stillwatch.dossier.explanation import Explanation, explain
from stillwatch.dossier.hostile_text import csv_cell, visible
from stillwatch.dossier.writing import write_dossiers

__all__ = ["Explanation", "csv_cell", "explain", "visible", "write_dossiers"]
