"""Which name a system text gives the model, as a hash: the name itself leaves no trace.

"You are Zephyra 4, a language model made by Quillmark": the slot is found by its form, in any text
and some languages, and no list of real names is kept. A name counts where the same sentence says
that it is a model, or who made it; a persona ("You are Lumi, a companion app") gives none.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.sketch_kernel import hash_bytes

__all__ = ["GivenNames", "name_hash"]

IntArray = npt.NDArray[np.int64]

HEAD = 400  # characters of a system text that are read: who the model is stands at its head
REMEMBERED = 1 << 18  # texts that are known to have been read, 8 bytes each; others are read anew
AT_ONCE = 1 << 15  # texts read in one go: to compile the patterns takes as long as some thousand

_OPENERS = (
    "you are|you're|your name is|(?:call|introduce|identify|present) yourself(?: as)?|"
    "du bist|sie sind|(?:dein|ihr) name ist|tu es|vous êtes|(?:ton|votre) nom est|eres|usted es|"
    "tu nombre es|te llamas|você é|(?:teu|seu) nome é|tu sei|sei|il tuo nome è|ti chiami|"
    "(?:je|jij) bent|(?:je|jouw) naam is|jesteś|(?:ты|вы) ?[—–-]|тебя зовут"
)
_OPENERS_OF_SIGNS = "你是|您是|你叫|你的名字[是叫]|あなたは|君は|당신은|너는"
_MODEL = (
    r"language model|\bAI model\b|\bLLM\b|chat model|Sprachmodell|KI-Modell|"
    r"modèle d['’]IA|modèle de langage|modelo de (?:lenguaje|linguagem|IA)|modello linguistico|"
    r"taalmodel|model językowy|языковая модель|модель|模型|モデル|모델"
)
_MAKER = (
    r"(?:made|built|developed|created|trained|designed) by|"
    r"(?:entwickelt|trainiert|erstellt|gebaut) von|von [^.\n]{1,40} (?:entwickelt|trainiert|gebaut)|"
    r"(?:développée?|créée?|entraînée?|conçue?) par|(?:desarrollad|cread|entrenad)[oa] por|"
    r"(?:desenvolvid|criad|treinad)[oa] p(?:or|ela|elo)|(?:sviluppat|creat|addestrat)[oa] da|"
    r"(?:ontwikkeld|gemaakt|getraind) door|stworzon|opracowan|созданн|разработанн|обученн|"
    r"开发|训练|研发|打造|推出|開発|訓練|개발|훈련|만든"
)
_SPOKEN_OF = f"{_MODEL}|{_MAKER}"
_OPENS = rf"(?:^|[^\pL])(?i:{_OPENERS})\s|{_OPENERS_OF_SIGNS}"
# A name, the rest of its sentence (a stop within a version number ends none), and the next one if
# that goes on about the model.
_REST = (
    r"(?P<rest>(?:[^\n!?。.]|\.\S)*"
    r"(?:[.!]\s+(?i:you|it)(?i: were| are| was| is| have been| has been) [^\n!?。.]*)?)"
)
_SLOTS = (
    rf"(?:^|[^\pL])(?i:{_OPENERS})\s+[\"'«„“*_]*(?P<name>\p{{Lu}}[\pL\pN_-]*){_REST}",
    rf"(?:{_OPENERS_OF_SIGNS})\s*[\"'「“*_]*(?P<name>[\pL\pN_-]{{1,24}}){_REST}",
)

_LETTERS = re.compile(r"[^\W\d_]+")
_NO_NAMES = re.compile(r"(?:an?|the|your|now|not|one|ein|eine|une?|una?|um|uma|el|la|le)$")
_NO_NAMES_OF_SIGNS = re.compile("[一个個位名]|하나의|어떤")
_SIGNS = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


class GivenNames:
    """The names that the system texts of a log give, each text read once and most at a time.

    What is kept are hashes of texts and names, and the heads of texts that are yet to be read.
    """

    def __init__(self) -> None:
        """Begin a log."""
        self._seen = np.zeros(0, np.int64)
        self._waiting: list[pa.Array] = []
        self._waiting_texts: list[IntArray] = []
        self._named: dict[int, int] = {}
        self._models: set[str] = set()

    def see(self, systems: pa.Array, models: pa.Array, texts: IntArray) -> None:
        """Take in a batch.

        Args:
            systems: System texts, nulls where there are none.
            models: Identifiers of the models asked for, nulls where they are unknown.
            texts: Equal numbers for equal system texts.
        """
        self._models.update(model for model in models.unique().to_pylist() if model)
        distinct, first = np.unique(texts, return_index=True)
        at = np.searchsorted(self._seen, distinct)
        new = (at == len(self._seen)) | (np.append(self._seen, 0)[at] != distinct)
        if not new.any():
            return
        if len(self._seen) < REMEMBERED:
            self._seen = np.insert(self._seen, at[new], distinct[new])
        heads = pc.utf8_slice_codeunits(systems.take(pa.array(first[new])), 0, HEAD)
        self._waiting.append(heads)
        self._waiting_texts.append(distinct[new])
        if sum(map(len, self._waiting)) >= AT_ONCE:
            self._read()

    def of(self, texts: IntArray, asked: IntArray) -> IntArray:
        """Hash of the name that each of these texts gives; 0 where it gives none.

        Versions are left out: the first run of letters counts, in lower case. A name that is part
        of the identifier of the model that was asked for is no other name.

        Args:
            texts: As they were seen.
            asked: Hash of the identifier of the model that was asked for.
        """
        self._read()
        given = np.zeros(len(texts), np.int64)
        if not self._named:
            return given
        named = np.array(sorted(self._named), np.int64)
        names = np.array([self._named[text] for text in named.tolist()], np.int64)
        at = np.minimum(np.searchsorted(named, texts), len(named) - 1)
        rows = np.flatnonzero(named[at] == texts)
        given[rows] = names[at[rows]]
        for model in self._models:
            own = [name_hash(part) for part in _LETTERS.findall(model)]
            given[rows[np.isin(given[rows], own) & (asked[rows] == _hash(model))]] = 0
        return given

    def _read(self) -> None:
        """Read the heads that wait."""
        if not self._waiting:
            return
        heads, texts = pa.concat_arrays(self._waiting), np.concatenate(self._waiting_texts)
        self._waiting.clear()
        self._waiting_texts.clear()
        for text, name in zip(texts.tolist(), _names_in(heads), strict=True):
            if name and (hashed := name_hash(name)):
                self._named[text] = hashed


def name_hash(name: str) -> int:
    """A stable 63-bit hash of a name's first run of letters, in lower case; 0 if it is no name."""
    run = _LETTERS.search(name)
    word = run[0].lower() if run else ""
    signs = bool(_SIGNS.search(word))
    if not word or (_NO_NAMES_OF_SIGNS.match(word) if signs else _NO_NAMES.match(word)):
        return 0
    return _hash(word)


def _hash(text: str) -> int:
    data = np.frombuffer(text.encode(), np.uint8)
    return int(hash_bytes(data, 0, len(data)))


def _names_in(heads: pa.Array) -> list[str]:
    """The name in each text, as it stands there; empty where there is none."""
    names = [""] * len(heads)
    opens = pc.match_substring_regex(heads, _OPENS)
    speaks = pc.match_substring_regex(heads, _SPOKEN_OF, ignore_case=True)
    opened = np.flatnonzero(pc.fill_null(pc.and_(opens, speaks), False))
    candidates = heads.take(pa.array(opened))
    for slot in _SLOTS:
        found = pc.extract_regex(candidates, slot)
        rest = pc.fill_null(pc.struct_field(found, "rest"), "")
        spoken_of = pc.match_substring_regex(rest, _SPOKEN_OF, ignore_case=True)
        named = pc.if_else(spoken_of, pc.struct_field(found, "name"), None)
        for place, name in zip(opened.tolist(), named.to_pylist(), strict=True):
            names[place] = names[place] or name or ""
    return names
