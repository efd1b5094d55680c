"""Recipe of trained/tokenizer.json: what `tokenizers` (0.23.3 was used) learns
from trained/corpus.txt (Darwin, and lines that ask for trouble), to compare
`agentcompress train-tokenizer` with.

    python make_trained.py
"""
import os

from tokenizers import (Regex, Tokenizer, decoders, models, pre_tokenizers,
                        trainers)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trained")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(QWEN2), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
t.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=700, min_frequency=2, show_progress=False,
    special_tokens=["<|endoftext|>", "<|user|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
with open(os.path.join(HERE, "corpus.txt"), encoding="utf-8",
          newline="") as corpus:
    t.train_from_iterator([corpus.read()], trainer)
t.save(os.path.join(HERE, "tokenizer.json"), pretty=False)
