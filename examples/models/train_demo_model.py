#!/usr/bin/env python3
"""Train the demo checkpoint: a 1.7 M parameter Llama that does small research tasks.

What it makes (everything below OUT, the --out folder):

    OUT/checkpoint/                a Hugging Face directory (bfloat16 safetensors)
    OUT/tasks_eval.jsonl           3000 held-out tasks {"kind", "level", "prompt", "answer"}
    OUT/tasks_train_predictor.jsonl   6000 more, for training a router's predictor
    OUT/text_heldout.txt           held-out prose, for perplexity
    OUT/golden.json                float64 logits and greedy ids for four prompts
    OUT/model_f32.safetensors      the weights before rounding to bfloat16
    OUT/REPORT.md                  loss curve, held-out loss, exact match per kind and level

How to run it (two CPU cores, about an hour; about 2 GiB of memory):

    python3 -m venv venv
    venv/bin/pip install torch numpy tokenizers transformers safetensors
    venv/bin/python train_demo_model.py --out OUT \\
        --text simple_english.txt.xz darwin_science.txt.xz

    --steps 300      a quick run of a few minutes, to see that everything works
    --resume         go on from OUT/state.pt, which is written every few minutes
    --report-only    load OUT/model_f32.safetensors and redo the measurements only

Half of the training tokens are public-domain prose, half are generated tasks of four kinds
(citation, data, fact, sign), each at four levels from copying (0) to what a model of this
size rarely gets right (3). A task is stored as

    prompt + " " + answer + <|endoftext|>

and every prompt ends in "\\nAnswer:". One task in six is wrapped in ChatML instead, so that
the chat template in tokenizer_config.json works. Training, evaluation and predictor tasks
are disjoint: the CRC-32 of its prompt says which of the three a task belongs to, so no
prompt is ever in two of them. Seeds are fixed; the same machine with the same library
versions and thread count gives the same weights.

The tokenizer is byte-level BPE with the GPT-2 pattern. No merge holds a digit, so numbers
are always read digit by digit although the pattern itself keeps them together.
"""

import argparse
import json
import lzma
import math
import os
import platform
import random
import re
import time
import zlib
from fractions import Fraction

import numpy as np
import tokenizers
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 2048
CONTEXT = 512
END, CHAT_START, CHAT_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
KINDS = ("citation", "data", "fact", "sign")
LEVELS = 4

# ---------------------------------------------------------------------------------------
# Tasks: material
# ---------------------------------------------------------------------------------------

ELEMENTS = """hydrogen H helium He lithium Li beryllium Be boron B carbon C nitrogen N oxygen O
fluorine F neon Ne sodium Na magnesium Mg aluminium Al silicon Si phosphorus P sulfur S
chlorine Cl argon Ar potassium K calcium Ca scandium Sc titanium Ti vanadium V chromium Cr
manganese Mn iron Fe cobalt Co nickel Ni copper Cu zinc Zn gallium Ga germanium Ge arsenic As
selenium Se bromine Br krypton Kr rubidium Rb strontium Sr yttrium Y zirconium Zr niobium Nb
molybdenum Mo technetium Tc ruthenium Ru rhodium Rh palladium Pd silver Ag cadmium Cd indium In
tin Sn antimony Sb tellurium Te iodine I xenon Xe caesium Cs barium Ba lanthanum La cerium Ce
praseodymium Pr neodymium Nd promethium Pm samarium Sm europium Eu gadolinium Gd terbium Tb
dysprosium Dy holmium Ho erbium Er thulium Tm ytterbium Yb lutetium Lu hafnium Hf tantalum Ta
tungsten W rhenium Re osmium Os iridium Ir platinum Pt gold Au mercury Hg thallium Tl lead Pb
bismuth Bi polonium Po astatine At radon Rn francium Fr radium Ra actinium Ac thorium Th
protactinium Pa uranium U neptunium Np plutonium Pu americium Am curium Cm berkelium Bk
californium Cf einsteinium Es fermium Fm mendelevium Md nobelium No lawrencium Lr
rutherfordium Rf dubnium Db seaborgium Sg bohrium Bh hassium Hs meitnerium Mt darmstadtium Ds
roentgenium Rg copernicium Cn nihonium Nh flerovium Fl moscovium Mc livermorium Lv
tennessine Ts oganesson Og""".split()
ELEMENTS = [(z + 1, ELEMENTS[2 * z], ELEMENTS[2 * z + 1]) for z in range(118)]

# The standard genetic code, codons in the order UUU, UUC, UUA, UUG, UCU, ...
CODE = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODONS = {a + b + c: CODE[16 * i + 4 * j + k]
          for i, a in enumerate("UCAG") for j, b in enumerate("UCAG")
          for k, c in enumerate("UCAG")}
AMINO_ACIDS = {"A": "alanine", "R": "arginine", "N": "asparagine", "D": "aspartate",
               "C": "cysteine", "Q": "glutamine", "E": "glutamate", "G": "glycine",
               "H": "histidine", "I": "isoleucine", "L": "leucine", "K": "lysine",
               "M": "methionine", "F": "phenylalanine", "P": "proline", "S": "serine",
               "T": "threonine", "W": "tryptophan", "Y": "tyrosine", "V": "valine",
               "*": "stop"}
UNITS = """length:metre:m mass:kilogram:kg time:second:s temperature:kelvin:K force:newton:N
energy:joule:J power:watt:W pressure:pascal:Pa charge:coulomb:C voltage:volt:V
resistance:ohm:ohm capacitance:farad:F frequency:hertz:Hz inductance:henry:H
conductance:siemens:S radioactivity:becquerel:Bq illuminance:lux:lx current:ampere:A""".split()
UNITS = [tuple(u.split(":")) for u in UNITS]
PREFIXES = dict(giga=9, mega=6, kilo=3, hecto=2, deca=1, deci=-1, centi=-2, milli=-3,
                micro=-6, nano=-9, pico=-12, femto=-15, tera=12, peta=15)

SURNAMES = """Smith Jones Brown Taylor Wilson Davies Evans Thomas Roberts Walker Wright Hall
Green Wood Clark Baker Cooper Hill Ward Turner Carter Parker Cook Bell Murphy Bailey Kelly
Mason Hunt Palmer Stone Fisher Darwin Huxley Lyell Hooker Gray Owen Wallace Galton Haeckel
Curie Planck Bohr Fermi Noether Lovelace Hopper Turing Gauss Euler Silva Costa Rossi Ferrari
Muller Schmidt Weber Novak Ivanov Tanaka Suzuki Wang Chen Kim Park Singh Khan Okafor
Mensah""".split()
FIRST_NAMES = """Anna Ben Carla David Emma Frank Grace Henry Ida Jane Karl Laura Mark Nora Oscar
Paula Ralf Sara Tom Ursula Victor Wanda Yusuf Zoe Alan Betty Cora Daniel Edith Fred George
Helen Ivan Julia Kurt Lena Mary Nina Otto Peter""".split()
SYLLABLES = "ba ber da dor el fa gan hol ka ker lan mar mo nel or pe ran ris sa ton ul ven wi zan"
SYLLABLES = SYLLABLES.split()
TOPICS = """growth structure origin motion colour habits decay variation distribution movement
weight age behaviour strength density habitat""".split()
OBJECTS = """barnacles corals orchids beetles glaciers volcanoes pigeons worms crystals stars
mosses rocks whales fossils cells rivers seeds bees clouds metals""".split()
PLACES = ["cold water", "island soils", "the deep sea", "high mountains", "dry air",
          "old forests", "salt lakes", "the laboratory", "warm seas", "northern Europe",
          "South America", "young plants"]
JOURNALS = ["Nature", "Science", "Annals of Botany", "Journal of Geology", "Physics Letters",
            "Cell", "Marine Biology", "The Lancet", "Ecology", "Chemical Reviews",
            "Journal of Physiology", "Earth Science"]
THINGS = """oak elm ash pine birch iron lead gold zinc tin cats dogs bees wasps mice boys girls
Paris Rome Oslo Lima Cairo wheat rye oats rice tea milk salt sand""".split()

# ---------------------------------------------------------------------------------------
# Tasks: the four kinds. Each function returns (body of the prompt, answer). What tells the
# kind and the level stands early in the prompt, because a router reads only its beginning.
# ---------------------------------------------------------------------------------------


def make_title(rng):
    topic, thing, other = rng.choice(TOPICS), rng.choice(OBJECTS), rng.choice(OBJECTS)
    return rng.choice([f"{topic.capitalize()} of {thing} in {rng.choice(PLACES)}",
                       f"On the {topic} of {thing}",
                       f"{thing.capitalize()} and the {topic} of {other}",
                       f"{topic.capitalize()} and {rng.choice(TOPICS)} of {thing}"])


def make_surname(rng, invented):
    if rng.random() < invented:
        return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()
    return rng.choice(SURNAMES)


def citation_task(rng, level):
    """A metadata record to an APA-like line. Level 0 and 1 copy fields in order; level 2
    shuffles them and has two authors; level 3 gives full names and capitals to undo."""
    n_authors = (1, 1, 2, rng.randint(2, 3))[level]
    people = [(rng.choice(FIRST_NAMES), make_surname(rng, (0, 0.2, 0.3, 0.5)[level]))
              for _ in range(n_authors)]
    title, journal = make_title(rng), rng.choice(JOURNALS)
    year, volume = rng.randint(1850, 2024), rng.randint(1, 120)
    first_page = rng.randint(1, 900)
    pages = f"{first_page}-{first_page + rng.randint(2, 40)}"

    apa = [f"{last}, {first[0]}." for first, last in people]
    line = ", ".join(apa[:-1]) + (", & " if n_authors > 1 else "") + apa[-1]
    line += f" ({year}). {title}. {journal}"
    line += f", {volume}, {pages}." if level else "."

    if level < 2:
        authors = apa[0]
    elif level == 2:
        authors = " and ".join(f"{last} {first[0]}" for first, last in people)
    else:
        authors = " and ".join(f"{first} {last}" for first, last in people)
        title = " ".join(w[0].upper() + w[1:] for w in title.split())
    fields = [("author", authors), ("year", year), ("title", title), ("journal", journal)]
    if level:
        fields += [("volume", volume), ("pages", pages)]
    if level >= 2:
        rng.shuffle(fields)
    form = rng.randrange(4)
    if form == 0:
        body = f"Cite {len(fields)} fields, {n_authors} author{'s'[:n_authors - 1]}: "
        return body + "; ".join(f"{k} {v}" for k, v in fields), line
    if form == 1:
        body = f"APA reference, {len(fields)} fields, {n_authors} author{'s'[:n_authors - 1]}: "
        return body + " | ".join(f"{k}={v}" for k, v in fields), line
    if form == 2:
        return "Format this record.\n" + "\n".join(f"{k}: {v}" for k, v in fields), line
    return f"Make a citation from {len(fields)} fields.\n" + "\n".join(
        f"{k.capitalize()}: {v}" for k, v in fields), line


def decimal(value):
    """A fraction as people write it, at most two decimals."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def data_task(rng, level):
    """A table of two or three rows to one sentence. Level 0: which is larger; 1: by how much
    (two digits); 2: the mean; 3: three rows of three digits, largest and its lead."""
    n_rows = (2, 2, rng.randint(2, 3), 3)[level]
    names = rng.sample(THINGS, n_rows)
    low, high = ((1, 99), (1, 99), (1, 60), (100, 999))[level]
    values = rng.sample(range(low, high + 1), n_rows)
    if level == 2:                      # keep the mean short: at most one decimal
        while (sum(values) * 2) % n_rows:
            values = rng.sample(range(low, high + 1), n_rows)
    order = sorted(range(n_rows), key=lambda i: -values[i])
    best, last = order[0], order[-1]
    if level == 0:
        ask = ("Which is larger?", "Larger one:", "Compare:", "Name the larger:")
        answer = f"{names[best]} is larger than {names[last]}."
    elif level == 1:
        ask = ("How much larger?", "Larger, by how much?", "Give the difference:",
               "Which is larger and by how much?")
        answer = f"{names[best]} is larger than {names[last]} by {values[best] - values[last]}."
    elif level == 2:
        ask = ("Mean?", "What is the mean?", "Average of the table:", "Mean value:")
        answer = f"The mean is {decimal(Fraction(sum(values), n_rows))}."
    else:
        ask = ("Largest of three and its lead?", "Which of the three is largest, by how much?",
               "Rank three rows:", "Largest and range of three:")
        answer = (f"{names[best]} is largest, {values[best] - values[last]} more than "
                  f"{names[last]}.")
    form = rng.randrange(3)
    pairs = list(zip(names, values))
    if form == 0:
        table = ", ".join(f"{n} {v}" for n, v in pairs)
    elif form == 1:
        table = "; ".join(f"{n} = {v}" for n, v in pairs)
    else:
        table = "\n" + "\n".join(f"{n} | {v}" for n, v in pairs)
    return f"{rng.choice(ask)} {table}".replace(" \n", "\n"), answer


FACT_FORMS = {
    "symbol": ["What is the chemical symbol of {}?", "Chemical symbol for {}?", "Symbol of {}:",
               "Which symbol stands for {}?", "Element {}: symbol?", "Write {} as a symbol."],
    "number": ["What is the atomic number of {}?", "Atomic number of {}:", "Protons in {}?",
               "How many protons has {}?", "Element {}: atomic number?", "Give Z for {}."],
    "named": ["Which element has the symbol {}?", "Element with symbol {}:", "Name element {}.",
              "What does {} stand for in chemistry?", "{} is which element?"],
    "place": ["Which element has atomic number {}?", "Element number {}:", "Z = {} is?",
              "Name the element with {} protons."],
    "codon": ["Which amino acid does the codon {} code for?", "Codon {}:", "Translate {}.",
              "Amino acid of codon {}?", "What does {} code for?", "RNA {} gives?"],
    "letter": ["One-letter code of {}?", "Amino acid {}: letter?", "Which letter means {}?",
               "Short code for {}:", "Letter for the amino acid {}:"],
    "unit": ["What is the SI unit of {}?", "SI unit of {}:", "Unit for {}?",
             "In which unit is {} measured?", "{} is measured in which unit?"],
    "sign": ["What is the symbol of the unit {}?", "Unit symbol of {}:", "Abbreviate {}.",
             "How is {} abbreviated?", "Short form of the unit {}?"],
    "prefix": ["What power of ten is {}?", "Prefix {}: power of ten?", "{} means ten to the?",
               "Exponent of {}:", "Which exponent has the prefix {}?"],
    "pairs": ["Complement of {}:", "DNA {} pairs with?", "Give the complement of DNA {}.",
              "Complementary strand of {}?"],
}


def one_fact(rng, relation, common):
    """(subject, answer) for a relation; heavier elements are asked less often."""
    if relation in ("symbol", "number", "named", "place"):
        choices = ELEMENTS[:30] if common else ELEMENTS
        z, name, symbol = rng.choices(choices, [1 / (e[0] + 20) for e in choices])[0]
        return {"symbol": (name, symbol), "number": (name, str(z)),
                "named": (symbol, name), "place": (str(z), name)}[relation]
    if relation == "codon":
        codon = rng.choice(list(CODONS))
        return codon, AMINO_ACIDS[CODONS[codon]]
    if relation == "letter":
        letter = rng.choice("ARNDCQEGHILKMFPSTWYV")
        return AMINO_ACIDS[letter], letter
    if relation == "prefix":
        prefix = rng.choice(list(PREFIXES))
        return prefix, str(PREFIXES[prefix])
    quantity, unit, symbol = rng.choice(UNITS)
    return (quantity, unit) if relation == "unit" else (unit, symbol)


def fact_task(rng, level):
    """Short questions with one true answer. Level 0: common facts; 1: the whole periodic table
    and the genetic code; 2: two facts at once, base pairing; 3: three facts, sums of facts."""
    if level == 0:
        relation = rng.choice(["symbol", "number", "unit", "sign", "prefix", "letter", "named"])
        subject, answer = one_fact(rng, relation, common=True)
    elif level == 1:
        relation = rng.choice(["symbol", "number", "named", "place", "codon", "codon"])
        subject, answer = one_fact(rng, relation, common=False)
    elif level == 2 and rng.random() < 0.3:
        relation, subject = "pairs", "".join(rng.choice("ACGT") for _ in range(6))
        answer = subject.translate(str.maketrans("ACGT", "TGCA"))
    elif level == 3 and rng.random() < 0.4:
        (z1, n1, _), (z2, n2, _) = rng.sample(ELEMENTS[:54], 2)
        if rng.random() < 0.5:
            return rng.choice([f"Sum of the atomic numbers of {n1} and {n2}?",
                               f"Protons in {n1} plus {n2}:"]), str(z1 + z2)
        return rng.choice([f"How many more protons: {n1} or {n2}?",
                           f"Difference of atomic numbers, {n1} and {n2}?"]), str(abs(z1 - z2))
    else:                               # several facts of one relation, asked together
        relation = rng.choice(["symbol", "number", "codon", "named"])
        facts = [one_fact(rng, relation, common=False) for _ in range(level)]
        subject = " and ".join(f[0] for f in facts) if level == 2 else " ".join(
            f[0] for f in facts)
        answer = ", ".join(f[1] for f in facts)
    opening = rng.choice(("", "", "Q: ", "Fact: ", "Quick question. "))
    return opening + rng.choice(FACT_FORMS[relation]).format(subject), answer


def sign_task(rng, level):
    """The sign of a relation in three or four pairs. Level 0: in order, one digit, strictly
    rising or falling; 1: four pairs, two digits; 2: pairs in any order; 3: noisy, the sign of
    the covariance counts."""
    n = (3, rng.randint(3, 4), rng.randint(3, 4), 4)[level]
    top = (9, 99, 60, 30)[level]
    while True:
        x, y = rng.sample(range(1, top + 1), n), rng.sample(range(1, top + 1), n)
        x.sort()
        if level < 3:
            y.sort(reverse=rng.random() < 0.5)
        covariance = n * sum(a * b for a, b in zip(x, y)) - sum(x) * sum(y)
        size = math.sqrt((n * sum(a * a for a in x) - sum(x) ** 2)
                         * (n * sum(b * b for b in y) - sum(y) ** 2))
        if abs(covariance) > 0.2 * size and (level < 3 or abs(covariance) < 0.9 * size):
            break
    pairs = list(zip(x, y))
    if level >= 2:
        rng.shuffle(pairs)
    rises = covariance > 0
    word = ("Trend", "Trend", "Unordered trend", "Noisy trend")[level]
    form = rng.randrange(4)
    if form == 0:
        body = f"{word}, x y: " + ", ".join(f"{a} {b}" for a, b in pairs)
        answer = "positive" if rises else "negative"
    elif form == 1:
        body = f"{word} of {n} points: " + " ".join(f"({a}, {b})" for a, b in pairs)
        answer = "positive" if rises else "negative"
    elif form == 2:
        body = (f"{word}: does y rise or fall with x? x = "
                + ", ".join(str(a) for a, _ in pairs)
                + "; y = " + ", ".join(str(b) for _, b in pairs))
        answer = "y rises" if rises else "y falls"
    else:
        body = f"{word}, sign of the relation:\n" + "\n".join(f"{a} | {b}" for a, b in pairs)
        answer = "The relation is " + ("positive." if rises else "negative.")
    return body, answer


MAKERS = dict(citation=citation_task, data=data_task, fact=fact_task, sign=sign_task)


def split_of(prompt):
    """Which of the disjoint sets a prompt belongs to."""
    return ("eval", "predictor", "predictor")[bucket] if (
        bucket := zlib.crc32(prompt.encode()) % 12) < 3 else "train"


def make_tasks(split, count, seed):
    """`count` tasks of one split, kinds and levels in equal shares, no prompt twice in eval and
    predictor sets (the training set may repeat: there are only so many elements)."""
    rng, tasks, seen, misses = random.Random(f"{split}-{seed}"), [], set(), 0
    while len(tasks) < count:
        kind, level = KINDS[len(tasks) % 4], len(tasks) // 4 % LEVELS
        body, answer = MAKERS[kind](rng, level)
        prompt = body + "\nAnswer:"
        if split_of(prompt) != split or (split != "train" and prompt in seen):
            misses += 1
            if misses > 100 * count + 10000:
                raise SystemExit(f"too few different tasks: {kind}, level {level}")
            continue
        seen.add(prompt)
        tasks.append(dict(kind=kind, level=level, prompt=prompt, answer=answer))
    rng.shuffle(tasks)
    return tasks


# ---------------------------------------------------------------------------------------
# Text and tokenizer
# ---------------------------------------------------------------------------------------


def read_paragraphs(path):
    """Prose paragraphs of a Gutenberg text, one line each: unwrapped, plain quotes, without
    tables, indexes and headings."""
    with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as f:
        text = f.read().replace("\r", "")
    text = text.translate(str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "—": "--",
                                         "–": "-", "_": None}))
    kept = []
    for block in re.split(r"\n\s*\n", text):
        if re.search(r"\S {3,}\S|\.\.\.\.|[│─*|]|^\s", block):
            continue
        line = " ".join(block.split())
        if len(line) >= 40 and sum(c.islower() for c in line) > 0.65 * len(line):
            kept.append(line)
    return kept


def load_text(paths):
    """(training blocks, held-out blocks) of about fifty paragraphs each; one in a hundred is
    held out."""
    train, heldout = [], []
    for path in paths:
        lines = read_paragraphs(path)
        for i in range(0, len(lines), 50):
            block = "\n".join(lines[i:i + 50]) + "\n"
            (heldout if i // 50 % 100 == 50 else train).append(block)
    return train, heldout


def train_tokenizer(blocks, tasks):
    """Byte-level BPE. While training, digits are cut off one by one, so no merge learns one;
    the tokenizer that is saved has the plain GPT-2 pattern."""
    from tokenizers import decoders, models, pre_tokenizers, trainers
    tok = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END, CHAT_START, CHAT_END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    sample = blocks[::8] + [t["prompt"] + " " + t["answer"] for t in tasks[:8000]]
    tok.train_from_iterator(sample, trainer)
    tok.pre_tokenizer = byte_level
    tok.decoder = decoders.ByteLevel()
    return tok


CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
                 "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def save_tokenizer(tok, folder):
    os.makedirs(folder, exist_ok=True)
    tok.save(os.path.join(folder, "tokenizer.json"))
    config = dict(tokenizer_class="PreTrainedTokenizerFast", model_max_length=CONTEXT,
                  bos_token=None, eos_token=END, pad_token=END, add_prefix_space=False,
                  clean_up_tokenization_spaces=False, chat_template=CHAT_TEMPLATE,
                  added_tokens_decoder={
                      str(tok.token_to_id(t)): dict(content=t, special=True, lstrip=False,
                                                    rstrip=False, normalized=False,
                                                    single_word=False)
                      for t in (END, CHAT_START, CHAT_END)})
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump(config, f, indent=2)


def encode_tasks(tok, tasks, seed):
    """Token ids of each task; prompt and answer are encoded apart, as they are at run time."""
    rng = random.Random(seed)
    end = tok.token_to_id(END)
    heads, tails = [], []
    for t in tasks:
        if rng.random() < 1 / 6:
            heads.append(f"{CHAT_START}user\n{t['prompt']}{CHAT_END}\n{CHAT_START}assistant\n")
            tails.append(f"{t['answer']}{CHAT_END}\n")
        else:
            heads.append(t["prompt"])
            tails.append(" " + t["answer"])
    return [a.ids + b.ids + [end]
            for a, b in zip(tok.encode_batch(heads), tok.encode_batch(tails))]


# ---------------------------------------------------------------------------------------
# Batches: every step sees `half` tokens of running text and about `half` of single tasks
# ---------------------------------------------------------------------------------------


def task_batches(rows, half, seed):
    """Rows sorted by length inside large groups, cut into batches of about `half` tokens."""
    rng = random.Random(seed)
    rows = rows[:]
    rng.shuffle(rows)
    batches = []
    for i in range(0, len(rows), 2048):
        group, batch = sorted(rows[i:i + 2048], key=len), []
        for row in group:
            if batch and (len(batch) + 1) * len(row) > half:
                batches.append(batch)
                batch = []
            batch.append(row)
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def pad(rows):
    """[n_rows, longest] inputs and targets; a target of -100 does not count."""
    width = max(map(len, rows)) - 1
    x = torch.zeros(len(rows), width, dtype=torch.long)
    y = torch.full((len(rows), width), -100)
    for i, row in enumerate(rows):
        row = torch.tensor(row)
        x[i, :len(row) - 1], y[i, :len(row) - 1] = row[:-1], row[1:]
    return x, y


def stream_batch(text, packed, starts, half, length, seed):
    """Windows of `length` tokens: seven of eight from prose, the rest from tasks in a row, so
    that the model also knows contexts that hold several tasks."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(half // length):
        if rng.random() < 7 / 8:
            source, at = text, int(rng.integers(len(text) - length - 1))
        else:
            source, at = packed, int(starts[rng.integers(len(starts))])
        rows.append(source[at:at + length + 1].astype(np.int64))
    rows = torch.from_numpy(np.stack(rows))
    return rows[:, :-1], rows[:, 1:]


# ---------------------------------------------------------------------------------------
# Model and training
# ---------------------------------------------------------------------------------------


def new_model(args, end):
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=args.hidden, intermediate_size=args.ffn,
        num_hidden_layers=args.layers, num_attention_heads=8, num_key_value_heads=4,
        head_dim=args.hidden // 8, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5,
        rope_theta=10000.0, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
        bos_token_id=None, eos_token_id=end, initializer_range=0.02)
    torch.manual_seed(args.seed)
    model = LlamaForCausalLM(config)
    with torch.no_grad():               # residual branches start small
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_((2 * args.layers) ** -0.5)
            layer.mlp.down_proj.weight.mul_((2 * args.layers) ** -0.5)
    return model


def batch_loss(model, x, y):
    """Summed cross-entropy, and the number of tokens it is over. Plain attention is faster than
    the fused one for short rows on a CPU, slower for long ones."""
    model.set_attn_implementation("eager" if x.shape[1] <= 192 else "sdpa")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=x, use_cache=False).logits
    loss = F.cross_entropy(logits.float().reshape(-1, VOCABULARY), y.reshape(-1),
                           ignore_index=-100, reduction="sum")
    return loss, int((y != -100).sum())


def make_optimizers(model, args):
    """Muon for the matrices inside the layers, AdamW for embeddings and norms; or AdamW only."""
    inside = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    outside = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    if args.optimizer == "adamw":
        return [torch.optim.AdamW([dict(params=inside, weight_decay=0.1),
                                   dict(params=outside, weight_decay=0.0)],
                                  lr=args.lr, betas=(0.9, 0.95), eps=1e-9)]
    return [torch.optim.Muon(inside, lr=args.lr, weight_decay=0.1, momentum=0.95,
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(outside, lr=args.lr, betas=(0.9, 0.95), eps=1e-9,
                              weight_decay=0.0)]


def text_length(progress):
    """Windows grow during the run: short ones are cheap and teach most of it."""
    return 128 if progress < 0.55 else 256 if progress < 0.8 else CONTEXT


def train(model, args, text, rows, save):
    """Train for args.steps steps; returns the loss curve [(step, seconds, text, task loss)]."""
    packed = np.concatenate([np.array(r, dtype=np.uint16) for r in rows])
    starts = np.cumsum([0] + [len(r) for r in rows])
    starts = starts[starts < len(packed) - CONTEXT - 1]
    half = args.batch_tokens // 2
    batches = task_batches(rows, half, args.seed)
    optimizers = make_optimizers(model, args)
    state_path = os.path.join(args.out, "state.pt")
    step, curve, before = 0, [], 0.0
    if args.resume and os.path.exists(state_path):
        state = torch.load(state_path, weights_only=False)
        model.load_state_dict(state["model"])
        for o, s in zip(optimizers, state["optimizers"]):
            o.load_state_dict(s)
        step, curve, before = state["step"], state["curve"], state["seconds"]

    began = saved = time.time()
    sums = [0.0, 0, 0.0, 0]
    model.train()
    while step < args.steps:
        progress = step / args.steps
        rate = args.lr * min(1.0, (step + 1) / (0.02 * args.steps + 1), 1.02 * (1 - progress))
        x, y = stream_batch(text, packed, starts, half, text_length(progress),
                            [args.seed, step])
        text_loss, n_text = batch_loss(model, x, y)
        n_tasks = sum(len(r) - 1 for r in batches[step % len(batches)])
        (text_loss / (n_text + n_tasks)).backward()
        task_loss, _ = batch_loss(model, *pad(batches[step % len(batches)]))
        (task_loss / (n_text + n_tasks)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimizers:
            for group in o.param_groups:
                group["lr"] = rate
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        sums = [a + b for a, b in zip(sums, (text_loss.item(), n_text, task_loss.item(), n_tasks))]
        seconds = before + time.time() - began
        if step % args.log_every == 0 or step == args.steps:
            curve.append((step, seconds, sums[0] / sums[1], sums[2] / sums[3]))
            print(f"step {step}/{args.steps}  {seconds:.0f} s  stream {curve[-1][2]:.4f}  "
                  f"tasks {curve[-1][3]:.4f}  {(sums[1] + sums[3])} tokens  lr {rate:.5f}",
                  flush=True)
            sums = [0.0, 0, 0.0, 0]
        if time.time() - saved > args.save_minutes * 60:
            torch.save(dict(model=model.state_dict(), step=step, curve=curve, seconds=seconds,
                            optimizers=[o.state_dict() for o in optimizers]), state_path + ".new")
            os.replace(state_path + ".new", state_path)
            save(model)
            saved = time.time()
    return curve


def save_checkpoint(model, folder, end, chat_end):
    """The model in bfloat16, with configuration and generation configuration."""
    tensors = {k: v.detach().to(torch.bfloat16).contiguous()
               for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    c = model.config
    config = dict(
        architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=c.vocab_size,
        hidden_size=c.hidden_size, intermediate_size=c.intermediate_size,
        num_hidden_layers=c.num_hidden_layers, num_attention_heads=c.num_attention_heads,
        num_key_value_heads=c.num_key_value_heads, head_dim=c.head_dim, hidden_act="silu",
        max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, rope_theta=10000.0,
        rope_scaling=None, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
        bos_token_id=None, eos_token_id=end, pad_token_id=end, torch_dtype="bfloat16",
        use_cache=True)
    generation = dict(eos_token_id=[end, chat_end], pad_token_id=end, do_sample=False,
                      max_new_tokens=128)
    for name, content in (("config.json", config), ("generation_config.json", generation)):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(content, f, indent=2)
            f.write("\n")


# ---------------------------------------------------------------------------------------
# Measuring: everything below uses the weights as saved, that is rounded to bfloat16
# ---------------------------------------------------------------------------------------


@torch.no_grad()
def heldout_loss(model, ids, length=CONTEXT, limit=200):
    """Mean loss per token over consecutive windows of held-out text, in float32."""
    model.set_attn_implementation("sdpa")
    total = count = 0
    for i in range(0, min(len(ids) - length - 1, limit * length), length):
        row = torch.tensor(ids[i:i + length + 1].astype(np.int64))
        logits = model(input_ids=row[None, :-1], use_cache=False).logits[0]
        total += F.cross_entropy(logits, row[1:], reduction="sum").item()
        count += length
    return total / count


@torch.no_grad()
def greedy_answers(model, tok, prompts, max_new=112):
    """First line of the greedy continuation of each prompt. Prompts of one length share a
    batch, so nothing is padded."""
    model.set_attn_implementation("sdpa")
    stop = {tok.token_to_id(END), tok.token_to_id(CHAT_END)}
    encoded = [e.ids for e in tok.encode_batch(prompts)]
    groups, answers = {}, [None] * len(prompts)
    for i, ids in enumerate(encoded):
        groups.setdefault(len(ids), []).append(i)
    for members in groups.values():
        ids, cache = torch.tensor([encoded[i] for i in members]), None
        new = [[] for _ in members]
        done = [False] * len(members)
        for _ in range(max_new):
            out = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache, ids = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
            for j, token in enumerate(ids[:, 0].tolist()):
                done[j] = done[j] or token in stop
                if not done[j]:
                    new[j].append(token)
            if all(done):
                break
        for j, i in enumerate(members):
            answers[i] = tok.decode(new[j]).strip().split("\n")[0].strip()
    return answers


def exact_match(model, tok, tasks, chat=False):
    """{(kind, level): (right, asked)} and a few examples of each kind."""
    prompts = [t["prompt"] for t in tasks]
    if chat:
        prompts = [f"{CHAT_START}user\n{p}{CHAT_END}\n{CHAT_START}assistant\n" for p in prompts]
    table, examples = {}, {}
    for t, got in zip(tasks, greedy_answers(model, tok, prompts)):
        right, asked = table.get((t["kind"], t["level"]), (0, 0))
        table[t["kind"], t["level"]] = (right + (got == t["answer"]), asked + 1)
        examples.setdefault((t["kind"], t["level"]), (t["prompt"], t["answer"], got))
    return table, examples


def double_logits(weights, config, ids):
    """A Llama forward pass in float64, written out: [n_tokens, vocabulary] logits. Independent
    of transformers, whose norms and rotations are float32 whatever the model's type."""
    w = weights
    n, d = len(ids), config.head_dim
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads

    def norm(v, gain):
        return v / torch.sqrt((v * v).mean(-1, keepdim=True) + config.rms_norm_eps) * gain

    angle = torch.arange(n, dtype=torch.float64)[:, None] * 10000.0 ** (
        -torch.arange(0, d, 2, dtype=torch.float64) / d)
    cos, sin = angle.cos(), angle.sin()

    def rotate(v):                      # [heads, n, d]; the halves of a head are the pairs
        a, b = v[..., :d // 2], v[..., d // 2:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    hidden = w["model.embed_tokens.weight"][torch.tensor(ids)]
    future = torch.full((n, n), -math.inf, dtype=torch.float64).triu(1)
    for i in range(config.num_hidden_layers):
        p = f"model.layers.{i}."
        v = norm(hidden, w[p + "input_layernorm.weight"])
        q, k, val = ((v @ w[p + f"self_attn.{m}_proj.weight"].T).view(n, -1, d).transpose(0, 1)
                     for m in "qkv")
        q, k = rotate(q), rotate(k)
        k, val = (t.repeat_interleave(heads // kv_heads, 0) for t in (k, val))
        mix = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(d) + future, -1) @ val
        hidden = hidden + mix.transpose(0, 1).reshape(n, -1) @ w[p + "self_attn.o_proj.weight"].T
        v = norm(hidden, w[p + "post_attention_layernorm.weight"])
        gate = F.silu(v @ w[p + "mlp.gate_proj.weight"].T)
        hidden = hidden + (gate * (v @ w[p + "mlp.up_proj.weight"].T)) @ w[
            p + "mlp.down_proj.weight"].T
    return norm(hidden, w["model.norm.weight"]) @ w["model.embed_tokens.weight"].T


def write_golden(path, model, tok, prompts, n_greedy=32):
    """Ids, last logits and greedy ids of a few prompts, from the float64 pass. Returns the
    largest difference to transformers in float32. Greedy goes on past the end token."""
    weights = {k: v.detach().double() for k, v in model.state_dict().items()}
    golden, worst = [], 0.0
    model.set_attn_implementation("eager")
    for prompt in prompts:
        ids = tok.encode(prompt).ids
        logits = double_logits(weights, model.config, ids)[-1]
        with torch.no_grad():
            theirs = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        worst = max(worst, (logits - theirs).abs().max().item())
        greedy, margin = [], math.inf
        for _ in range(n_greedy):
            top = double_logits(weights, model.config, ids + greedy)[-1].topk(2)
            margin = min(margin, (top.values[0] - top.values[1]).item())
            greedy.append(top.indices[0].item())
        golden.append(dict(prompt=prompt, ids=ids, logits=logits.tolist(), greedy_ids=greedy,
                           greedy_text=tok.decode(greedy, skip_special_tokens=False),
                           smallest_top1_margin=margin))
    with open(path, "w") as f:
        json.dump(dict(made_by="train_demo_model.py: bfloat16 weights as stored, float64 pass",
                       prompts=golden), f)
    return worst


def write_report(path, args, model, curve, losses, table, chat_table, examples, worst, n_tokens):
    def rate(pairs):
        right, asked = (sum(c) for c in zip(*pairs))
        return f"{100 * right / asked:.1f}"

    lines = ["# Demo checkpoint", ""]
    lines += [f"- {sum(p.numel() for p in model.parameters()):,} parameters (embeddings tied): "
              f"{args.layers} layers, hidden {args.hidden}, ffn {args.ffn}, 8 heads / 4 KV heads "
              f"of {args.hidden // 8}, vocabulary {VOCABULARY}, context {CONTEXT}; stored as "
              "bfloat16",
              f"- {args.steps} steps of about {args.batch_tokens} tokens, {n_tokens}",
              f"- {args.optimizer}, peak rate {args.lr}, seed {args.seed}, {args.threads} threads, "
              f"{curve[-1][1] / 60:.1f} minutes of training on {platform.processor() or 'CPU'} "
              f"{platform.machine()}",
              f"- torch {torch.__version__}, transformers {transformers.__version__}, "
              f"tokenizers {tokenizers.__version__}, Python {platform.python_version()}",
              f"- float64 pass against transformers float32: largest logit difference {worst:.1e}",
              "", "## Held-out loss (nats per token, bfloat16 weights)", ""]
    lines += [f"- {name}: {value:.4f}" for name, value in losses.items()]
    lines += ["", "## Exact match of the first line, greedy, percent", "",
              "| kind | " + " | ".join(f"level {i}" for i in range(LEVELS))
              + " | all | in ChatML |", "|---" * (LEVELS + 3) + "|"]
    for kind in KINDS:
        cells = [rate([table[kind, i]]) for i in range(LEVELS)]
        cells.append(rate([table[kind, i] for i in range(LEVELS)]))
        cells.append(rate([v for k, v in chat_table.items() if k[0] == kind]))
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines += [f"| all | {' | '.join(rate([table[k, i] for k in KINDS]) for i in range(LEVELS))} "
              f"| {rate(table.values())} | {rate(chat_table.values())} |", "",
              f"Plain prompts: {sum(v[1] for v in table.values())} tasks; in ChatML: "
              f"{sum(v[1] for v in chat_table.values())}.", "", "## Loss while training", "",
              "| step | minutes | stream | tasks |", "|---|---|---|---|"]
    every = max(1, len(curve) // 30)
    lines += [f"| {s} | {t / 60:.1f} | {a:.3f} | {b:.3f} |"
              for s, t, a, b in curve[every - 1::every]]
    lines += ["", "## One example of each", ""]
    for (kind, level), (prompt, answer, got) in sorted(examples.items()):
        lines += [f"{kind}, level {level}", "", "    " + prompt.replace("\n", "\n    "),
                  f"    -> {got}", f"    == {answer}" if got == answer else f"    != {answer}", ""]
    with open(path, "w") as f:
        f.write("\n".join(lines))
    print("\n".join(lines[:32 + LEVELS]), flush=True)


def measure(model, args, tok, curve, heldout_text, task_rows, n_tokens):
    """Round to bfloat16, then measure and write golden.json and REPORT.md."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(torch.bfloat16).float())
    model.eval()
    text_ids = np.array(tok.encode(heldout_text).ids, dtype=np.uint16)
    per_byte = len(heldout_text.encode()) / len(text_ids)
    losses = {"prose": heldout_loss(model, text_ids)}
    losses["prose, bits per byte"] = losses["prose"] / math.log(2) / per_byte
    with torch.no_grad():
        total = count = 0
        for batch in task_batches(task_rows, 4096, 0)[:30]:
            loss, n = batch_loss(model, *pad(batch))
            total, count = total + loss.item(), count + n
    losses["tasks, prompt and answer"] = total / count
    with open(os.path.join(args.out, "tasks_eval.jsonl")) as f:
        tasks = [json.loads(line) for line in f]
    table, examples = exact_match(model, tok, tasks[:args.n_measured])
    chat_table, _ = exact_match(model, tok, tasks[:args.n_measured // 4], chat=True)
    facts = [t for t in tasks if t["kind"] == "fact"][0]["prompt"]
    cites = [t for t in tasks if t["kind"] == "citation"][0]["prompt"]
    worst = write_golden(os.path.join(args.out, "golden.json"), model, tok,
                         [facts, cites, "The old man looked at the sea and",
                          "It is well known that the species of"])
    write_report(os.path.join(args.out, "REPORT.md"), args, model, curve, losses, table,
                 chat_table, examples, worst, n_tokens)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--text", nargs="+", required=True, help="text files, plain or .xz")
    p.add_argument("--out", required=True, help="folder for everything that is made")
    p.add_argument("--steps", type=int, default=6000)
    p.add_argument("--batch-tokens", type=int, default=8192)
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--ffn", type=int, default=512)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--optimizer", choices=["adamw", "muon"], default="muon")
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--tasks", type=int, default=300000, help="training tasks to generate")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--log-every", type=int, default=50)
    p.add_argument("--save-minutes", type=float, default=4)
    p.add_argument("--n-measured", type=int, default=1600, help="eval tasks used in the report")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--report-only", action="store_true")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    folder = os.path.join(args.out, "checkpoint")
    os.makedirs(folder, exist_ok=True)

    began = time.time()
    blocks, heldout = load_text(args.text)
    tasks = make_tasks("train", args.tasks, args.seed)
    for name, split, count in (("tasks_eval", "eval", 3000),
                               ("tasks_train_predictor", "predictor", 6000)):
        with open(os.path.join(args.out, name + ".jsonl"), "w") as f:
            for t in make_tasks(split, count, args.seed):
                f.write(json.dumps(t) + "\n")
    heldout_text = "".join(heldout)
    with open(os.path.join(args.out, "text_heldout.txt"), "w") as f:
        f.write(heldout_text)
    tok = train_tokenizer(blocks, tasks)
    save_tokenizer(tok, folder)
    end, chat_end = tok.token_to_id(END), tok.token_to_id(CHAT_END)
    rows = encode_tasks(tok, tasks, args.seed)
    heldout_rows = encode_tasks(tok, make_tasks("eval", 3000, args.seed), args.seed)
    model = new_model(args, end)
    f32_path = os.path.join(args.out, "model_f32.safetensors")
    curve_path = os.path.join(args.out, "loss_curve.json")
    if args.report_only:
        model.load_state_dict(load_file(f32_path), strict=False)
        with open(curve_path) as f:
            curve, n_tokens = json.load(f)
    else:
        text = np.concatenate([np.array(e.ids, dtype=np.uint16)
                               for e in tok.encode_batch(blocks)])
        n_tokens = (f"from {len(text):,} tokens of prose and {sum(map(len, rows)):,} tokens in "
                    f"{len(rows):,} tasks")
        print(f"{n_tokens}; mean task {np.mean([*map(len, rows)]):.0f}, longest "
              f"{max(map(len, rows))}; ready after {time.time() - began:.0f} s", flush=True)
        curve = train(model, args, text, rows,
                      lambda m: save_checkpoint(m, folder, end, chat_end))
        save_checkpoint(model, folder, end, chat_end)
        save_file({k: v.detach().clone() for k, v in model.state_dict().items()
                   if k != "lm_head.weight"}, f32_path)
        with open(curve_path, "w") as f:
            json.dump([curve, n_tokens], f)
    measure(model, args, tok, curve, heldout_text, heldout_rows, n_tokens)


if __name__ == "__main__":
    main()
