"""Texts of film reviews: sentence patterns with negation, doubt, irony and noise.

Positive and negative words occur at every score, because patterns negate them or outweigh them with
the rest, so that a classifier which counts words fails. As in real reviews, a few texts contradict
their score.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Final, Literal, TypeAlias

Mood: TypeAlias = Literal["good", "bad", "so_so"]

MISTAKEN: Final = 0.03
"""Share of texts whose mood is drawn for a random score instead of their own."""

# The mood of each sentence is drawn by score: weights of good, bad and so-so.
MOODS: Final = {
    1: (2, 90, 8),
    2: (8, 78, 14),
    3: (14, 14, 72),
    4: (78, 6, 16),
    5: (92, 2, 6),
}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


GOOD: Final = _words(
    "brilliant, charming, clever, convincing, delightful, dazzling, elegant, engaging, enjoyable, "
    "excellent, fresh, funny, gorgeous, gripping, heartfelt, hilarious, honest, inspired, lovely, "
    "magnificent, masterful, memorable, moving, outstanding, perfect, playful, powerful, rich, "
    "refreshing, remarkable, satisfying, sharp, smart, splendid, strong, stunning, superb, sweet, "
    "tender, terrific, thrilling, touching, uplifting, warm, witty, wonderful"
)
BAD: Final = _words(
    "annoying, appalling, awful, banal, bland, boring, careless, cheap, clumsy, confusing, crude, "
    "contrived, dreadful, dreary, dull, embarrassing, empty, endless, exhausting, feeble, flat, "
    "forced, forgettable, hollow, horrible, incoherent, irritating, lame, laughable, lazy, weak, "
    "lifeless, messy, pathetic, pointless, predictable, pretentious, ridiculous, shallow, silly, "
    "sloppy, stale, stupid, tedious, terrible, tiresome, ugly, unbearable, unfunny"
)
SO_SO: Final = _words(
    "acceptable, average, bearable, conventional, decent, fair, familiar, harmless, mediocre, "
    "middling, mixed, modest, neutral, okay, ordinary, passable, plain, regular, standard, "
    "tolerable, typical, unremarkable"
)
ASPECTS: Final = _words(
    "acting, camera work, cast, dialogue, direction, editing, ending, first half, humour, "
    "lead actress, music, opening scene, pacing, photography, plot, score, script, second half, "
    "soundtrack, story, supporting cast, villain"
)
STRESS: Final = ("absolutely", "completely", "really", "simply", "truly", "utterly")
DEGREE: Final = ("a bit", "fairly", "quite", "rather", "somewhat", "very")

SENTENCES: Final[dict[Mood, Sequence[str]]] = {
    "good": (
        "The {aspect} is {stress} {good}.",
        "The {aspect} was {degree} {good}, and the {aspect2} even more {good2}.",
        "{Good}, {good2} and never {bad}.",
        "Not {bad} at all: the {aspect} kept me watching.",
        "I expected something {bad}, but got a {good} film.",
        "Hardly a {bad} minute in it.",
        "I loved the {aspect}; I would see it again tomorrow.",
        "My children laughed all the way through the {good} {aspect}.",
        "Anyone who calls the {aspect} {bad} has not been paying attention.",
        "What a {good} surprise!",
        "A {good} {aspect}, a {good2} {aspect2}: recommended.",
        "Forget the critics who said \"{bad}\", this is {good}.",
        "{title} is the most {good} film I rented this year.",
        "Could not stop smiling, {stress} {good}.",
    ),
    "bad": (
        "The {aspect} is {stress} {bad}.",
        "The {aspect} was {degree} {bad}, and the {aspect2} even more {bad2}.",
        "{Bad}, {bad2} and never {good}.",
        "Not {good} at all: the {aspect} put me to sleep.",
        "I expected something {good}, but got a {bad} film.",
        "Hardly a {good} minute in it.",
        "I hated the {aspect}; I want my money back.",
        "We switched it off during the {bad} {aspect}.",
        "Anyone who calls the {aspect} {good} has not been paying attention.",
        "Oh {good}, another {bad} {aspect}.",
        "A {bad} {aspect}, a {bad2} {aspect2}: avoid.",
        "The box promised \"{good}\" and \"{good2}\", the film is {bad}.",
        "{title} is the most {bad} film I rented this year.",
        "Two hours of my life, wasted on a {bad} {aspect}.",
    ),
    "so_so": (
        "The {aspect} is {so_so}, neither {good} nor {bad}.",
        "A {good} {aspect}, but a {bad} {aspect2}.",
        "A {bad} {aspect}, though the {aspect2} is {good}.",
        "{So_so}, all in all.",
        "It is a {so_so} film for a {so_so} evening.",
        "Some of it is {good}, some of it {bad}.",
        "The {aspect} did its job, the {aspect2} was {so_so}.",
        "I have seen better than {title}, and I have seen worse.",
        "You could watch it, or not.",
        "Half of us found the {aspect} {good}, half found it {bad}.",
    ),
}  # fmt: skip
FACTS: Final = (
    "Rented {title} on a rainy Sunday.",
    "The disc had a scratch, the shop replaced it.",
    "My brother-in-law, who knows everything, chose it.",
    "It runs for about two hours.",
    "We watched it with subtitles.",
    "Picked it because of the cover.",
    "The box says \"director's cut\", whatever that means.",
    "Somebody, somewhere, must know why it has that name.",
)  # fmt: skip
ABROAD: Final[dict[Mood, Sequence[str]]] = {
    "good": (
        "Una película maravillosa, me encantó la música.",
        "¡Qué buena sorpresa! La recomiendo.",
        "Ein großartiger Film, spannend bis zum Schluss.",
        "Wunderschön erzählt und überhaupt nicht langweilig.",
        "Un film magnifique, drôle et touchant.",
        "とても面白かった。また観たい。",
        "Świetny film, wzruszający do łez.",
    ),
    "bad": (
        "Una película aburrida, perdí dos horas.",
        "No me gustó nada, el guion es horrible.",
        "Furchtbar langweilig, schade um das Geld.",
        "Überhaupt nicht lustig, ganz schwach gespielt.",
        "Un film nul, long et sans intérêt.",
        "つまらなかった。時間の無駄。",
        "Nuda, szkoda czasu i pieniędzy.",
    ),
    "so_so": (
        "Ni buena ni mala, se deja ver.",
        "Durchschnitt, kann man sehen, muss man nicht.",
        "Moyen, sans plus.",
        "普通でした。",
        "Taki sobie, na jeden raz.",
    ),
}
EMOJI: Final[dict[Mood, Sequence[str]]] = {
    "good": ("😀", "😍", "👍", "❤️", "🎬👏", "🤩"),
    "bad": ("😡", "👎", "😴", "🤮", "💤💤", "🙄"),
    "so_so": ("😐", "🤷", "🤷‍♀️", "😶"),
}
BREAKS: Final = (" ",) * 12 + ("\n", "\n\n")


def review_text(rng: Random, score: int, title: str) -> str:
    """Write one review.

    Args:
        rng: The source of chance; the same state gives the same text.
        score: 1 (worst) to 5 (best).
        title: The film.

    Returns:
        Up to some hundred characters, maybe with quotes, commas, line breaks and emoji, maybe in
        another language; never empty.
    """
    felt = rng.randint(1, 5) if rng.random() < MISTAKEN else score
    if rng.random() < 0.05:
        return rng.choice(ABROAD[_main_mood(felt)])
    if rng.random() < 0.01:
        return rng.choice(EMOJI[_main_mood(felt)])
    sentences = [
        _sentence(rng, _mood(rng, felt), title) for _ in range(rng.choice((1, 2, 2, 3, 4)))
    ]
    if rng.random() < 0.25:
        sentences.insert(0, rng.choice(FACTS).format(title=title))
    if rng.random() < 0.12:
        sentences.append(rng.choice(EMOJI[_main_mood(felt)]))
    text = sentences[0] + "".join(rng.choice(BREAKS) + sentence for sentence in sentences[1:])
    return _roughened(rng, text)


def _main_mood(score: int) -> Mood:
    return "bad" if score <= 2 else "good" if score >= 4 else "so_so"


def _mood(rng: Random, score: int) -> Mood:
    moods: tuple[Mood, ...] = ("good", "bad", "so_so")
    return rng.choices(moods, MOODS[score])[0]


def _sentence(rng: Random, mood: Mood, title: str) -> str:
    (good, good2), (bad, bad2) = rng.sample(GOOD, 2), rng.sample(BAD, 2)
    aspect, aspect2 = rng.sample(ASPECTS, 2)
    so_so = rng.choice(SO_SO)
    words = {"good": good, "good2": good2, "bad": bad, "bad2": bad2, "so_so": so_so}
    first = {"Good": good.title(), "Bad": bad.title(), "So_so": so_so.title()}
    places = {"aspect": aspect, "aspect2": aspect2, "title": title}
    weight = {"stress": rng.choice(STRESS), "degree": rng.choice(DEGREE)}
    written = rng.choice(SENTENCES[mood]).format(**words, **first, **places, **weight)
    # The article before a vowel: "a awful ending" becomes "an awful ending".
    return re.sub(r"\b([Aa]) (?=[aeio]|u[glnp])", r"\1n ", written)


def _roughened(rng: Random, text: str) -> str:
    """Change the spelling of some texts as hasty typing does."""
    habit = rng.random()
    if habit < 0.04:
        return text.upper()
    if habit < 0.10:
        return text.lower().replace(".", "")
    if habit < 0.18:
        place = rng.randrange(len(text))
        return text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    return text
