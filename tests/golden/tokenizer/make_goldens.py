"""Recipe of the tokenizer goldens in this folder.

    python make_goldens.py DATA

needs `tokenizers` and `transformers` (0.23.3 and 5.23.0 were used) and the
test data folder (tinystories-656k, qwen2). Writes

    bytes/ pieces/ first/   three small tokenizers of our own, trained here on
                            the sentences below: byte-level with Llama 3's
                            expression and NFC; Llama 2's normalizer; and
                            Mistral's newer Metaspace, once at the start
    lines.json              texts, and their ids by every tokenizer
    special.json            the same with special tokens parsed
    chats.json              conversations through apply_chat_template

U+2581 is left out of the texts: there we keep exact round trips instead of
taking it for a space.
"""
import json
import os
import random
import sys
import tarfile
import tempfile

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and the dog didn't mind.",
    "It was the best of times, it was the worst of times; we're all going.",
    "Who was born in 1912? Alan Turing was, in London, on 23 June 1912.",
    "    def add(left, right):\n        return left + right\n",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "いろはにほへと ちりぬるを わかよたれそ つねならむ",
    "You are a helpful assistant. What is the answer? The answer is 42.\n",
    "system user assistant [INST] [/INST] <<SYS>> <</SYS>> <|user|>\n",
]


def added(text, special=True):
    return AddedToken(text, special=special, normalized=False)


def train(tokenizer, specials, size, alphabet=()):
    # No special token's text: merges would then lead to it, and there we
    # differ from the reference on purpose (text never merges into one).
    sentences = [s for s in SENTENCES if not any(t in s for t in specials)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[added(s) for s in specials],
        initial_alphabet=list(alphabet), show_progress=False)
    tokenizer.train_from_iterator(sentences * 3, trainer)
    return tokenizer


def make_bytes():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>",
                "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
                "<|im_start|>", "<|im_end|>"]
    train(t, specials, 700, pre_tokenizers.ByteLevel.alphabet())
    t.add_tokens([added("<tool>", False),
                  AddedToken("<left>", lstrip=True, normalized=False),
                  AddedToken("<right>", rstrip=True, normalized=False),
                  AddedToken("<word>", single_word=True, normalized=False)])
    t.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A",
        special_tokens=[("<|begin_of_text|>",
                         t.token_to_id("<|begin_of_text|>"))])
    return t


def with_fallback(t, specials, size):
    """Trains a BPE of characters and puts 256 byte tokens in front."""
    train(t, specials, size)
    model = json.loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    n = len(specials)
    tokens = tokens[:n] + ["<0x%02X>" % i for i in range(256)] + tokens[n:]
    merges = [tuple(m) for m in model["merges"]]
    out = Tokenizer(models.BPE({s: i for i, s in enumerate(tokens)}, merges,
                               unk_token="<unk>", fuse_unk=True,
                               byte_fallback=True))
    out.add_special_tokens([added(s) for s in specials])
    out.normalizer = t.normalizer
    if t.pre_tokenizer is not None:
        out.pre_tokenizer = t.pre_tokenizer
    out.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", out.token_to_id("<s>"))])
    return out


def make_pieces():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([
        normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t = with_fallback(t, ["<unk>", "<s>", "</s>"], 500)
    t.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(),
        decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return t


def make_first():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first",
                                               split=False)
    t = with_fallback(t, ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"], 500)
    t.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(),
        decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return t


def make_qwen2(data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(data, "tokenizers/qwen2/qwen2.5-tokenizer.tar.xz")
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
        t = Tokenizer(models.BPE.from_file(folder + "/vocab.json",
                                           folder + "/merges.txt"))
        config = json.load(open(folder + "/tokenizer_config.json"))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    decoder = config["added_tokens_decoder"]
    t.add_tokens([AddedToken(**decoder[k]) for k in sorted(decoder, key=int)])
    return t, config


TRICKY = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n ", "\t", "\t\t\n", "\r\n\r\n",
    "a", " a", "a ", "  a  ", "a\nb", "a \nb", "a\n b", "a  \n  b",
    "don't", "DON'T", "we'll they've I'm you're he'd it's", "'s", " 's",
    "''ll", "'\u017f", "O'\u017freal", "'S 'LL 'Ve", "x's\u017f",
    "1", "12", "123", "1234", "12345678", "3.14159", "1,000,000", "٣٤٥٦",
    "१२३४५", "½⅓²³", "Ⅷ ⅷ", "x1y22z333", "0x1F", "$5.00", "100%",
    "!", "!!", "!?...\n\nx", " !a", "?!\r\n\r\ny", "--- a", "a---b",
    "e\u0301", "\u00e9", "A\u030a", "\u212b", "\u1e9b\u0323", "q\u0307\u0323",
    "\uac00", "\u1100\u1161\u11a8", "\u0958", "\u2126", "\u0344",
    "na\u00efve caf\u00e9", "nai\u0308ve cafe\u0301", "I\u0307stanbul",
    "\u00a0", "a\u00a0b", "\u3000", "\u2003a", "\u200b", "a\u200bb",
    "\u180e", "a\u180eb", "\u0085x", "\u2028\u2029", "\ufeffx", "\u200d",
    "日本語", "日本 語", "、。", "你好,世界!", "한국어 텍스트", "ไทย",
    "कान", "العربية", "עברית", "Ελληνικά", "Български",
    "😀", "😶‍🌫️", "🏳️‍🌈 🇬🇧", "👩‍👩‍👧‍👦", "🚀 (normal)", "✅",
    "\u0000", "a\u0000b", "\u0001\u0002", "\u007f", "\ud7ff", "\ue000",
    "\U0010ffff", "\U0001f999.cpp", "\ufffd",
    "<|im_start|>", "<|im_end|>x", "<s>", "</s>", "<unk>", "<0x0A>", "Ġ",
    "<|endoftext|>", "a<|eot_id|>b", "[INST] x [/INST]", "<|end_story|>",
    "for (int i = 0; i < n; i++) {\n    x[i] += y[i];\n}\n",
    "https://example.com/a?b=c&d=e#f", "user@example.org", "C:\\dir\\file",
    "a" * 70, "ab" * 60, " " * 70, "\n" * 40, "=" * 65, "1" * 50,
    "aaaa bbbb" * 9, "\u00e9" * 40, "日" * 45, "the" * 30, " the" * 30,
    "Once upon a time, there was a little girl named Lily.",
    "One day, a dog named Max went to the park.\nBut then, he was sad.",
]

POOLS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "etaoin shrdlu ",
    " ", " \t\n\r", "0123456789", "'.,;:!?-()[]{}<>|/\\\"@#$%^&*_+=~`",
    "\u00e0\u00e9\u00ee\u00f5\u00fc\u00df\u00f8\u0153\u0133\u017f",
    "\u0300\u0301\u0308\u030a\u0323\u0327\u0345", "абвгдежзийклмн",
    "αβγδεζηθ", "日本語中文字漢", "かきくけこカキクケコ", "한국어가나다",
    "אבגדהוזח", "ابتثجحخ", "कखगघा\u093f", "กขฃค\u0e34\u0e35",
    "\u0660\u0661\u0966\u0967\u00b2\u00bd\u2160\u2460",
    "\u00a0\u1680\u2000\u2003\u2009\u2028\u202f\u205f\u3000\u0085",
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e",
    "😀🚀🦙👩🏽\u200d\ufe0f✅©™", "«»„“”‘’–—…·•§¶", "€£¥₹±×÷≤≥∞∑√",
]


def texts():
    rng = random.Random(20261123)
    out = list(TRICKY)
    words = " ".join(SENTENCES).split(" ")
    while len(out) < 420:
        parts = []
        for _ in range(rng.randrange(1, 14)):
            if rng.random() < 0.35:
                parts.append(rng.choice(words))
                parts.append(rng.choice(["", " ", " ", "  ", "\n"]))
            else:
                pool = rng.choice(POOLS)
                parts += [rng.choice(pool)
                          for _ in range(rng.randrange(1, 6))]
        out.append("".join(parts))
    return [t for t in out if "\u2581" not in t]


SPECIAL = [
    "<|im_start|>user\nHi<|im_end|>\n", "a<|eot_id|>b", "<|eot_id|>",
    "<|eot_id|><|eot_id|>", " <|eot_id|> ", "<|eot_id", "|eot_id|>",
    "<<|eot_id|>>", "x <left> y", "x  \n<left>y", "<left>", "x<right>  y",
    "<right>\n\n", "a <word> b", "a<word>b", "<word>", "_<word>", "<word>1",
    "a <tool> b", "<tool><tool>", "<s>Hello</s>", "<s> Hello </s> ", "</s>",
    "Hi</s><s>there", "<unk>", "[INST] Hi [/INST] there</s>", " [INST]",
    "<s>[INST] a [/INST]", "<|begin_of_text|>e\u0301<|end_of_text|>",
    "e<|eot_id|>\u0301", "<|start_story|>Once", "a <|end_story|> b",
]

# Templates of the families, in the form their makers give them.
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != "
    "'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant."
    "<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}")
CHATML_BARE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' "
    "+ m.content | trim + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}"
    "{% endif %}")
LLAMA3_0 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA3_1 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = "
    "messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = "
    "false %}{% endif %}{% for message in loop_messages %}{% if "
    "(message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = "
    "'<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] "
    "%}{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + "
    "content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
MISTRAL_1 = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == "
    "'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}"
    "{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + "
    "message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' "
    "%}{{ message['content'] + eos_token + ' ' }}{% endif %}{% endfor %}")
MISTRAL_3 = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
    {%- endif %}
{%- endfor %}
"""
MISTRAL_2 = MISTRAL_3.replace("loop.last and", "loop.first and").replace(
    '"[INST] "', '" [INST] "').replace('"[/INST]"', '" [/INST]"')
ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n"
    "{% endif %}\n{% if loop.last and add_generation_prompt %}\n"
    "{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}")

U, A, S = "user", "assistant", "system"
TALKS = [
    [(U, "What is the answer?")],
    [(U, "  Who was born in 1912?\n")],
    [(S, "You are a helpful assistant."), (U, "Hi")],
    [(S, " Be brief. "), (U, "One "), (A, " Two"), (U, "\nThree")],
    [(U, "caf\u00e9"), (A, ""), (U, "\u65e5\u672c 😀"), (A, "a\n\nb"),
     (U, "  end")],
]


def chats(tokenizers, config):
    cases = [("bytes", "chatml", CHATML), ("bytes", "chatml", CHATML_BARE),
             ("bytes", "llama3", LLAMA3_0), ("bytes", "llama3", LLAMA3_1),
             ("pieces", "llama2", LLAMA2), ("pieces", "mistral", MISTRAL_1),
             ("first", "mistral", MISTRAL_3), ("pieces", "mistral", MISTRAL_2),
             ("first", "mistral", MISTRAL_2), ("pieces", "zephyr", ZEPHYR),
             ("first", "zephyr", ZEPHYR), ("bytes", "zephyr", ZEPHYR),
             ("qwen2", "chatml", config["chat_template"])]
    ends = {"bytes": ("<|begin_of_text|>", "<|end_of_text|>"),
            "pieces": ("<s>", "</s>"), "first": ("<s>", "</s>"),
            "qwen2": (None, "<|im_end|>")}
    out = []
    for name, kind, template in cases:
        bos, eos = ends[name]
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizers[name], bos_token=bos, eos_token=eos,
            chat_template=template)
        for talk in TALKS:
            if template is MISTRAL_1 and talk[0][0] == S:
                continue
            messages = [{"role": r, "content": c} for r, c in talk]
            text = fast.apply_chat_template(messages, tokenize=False,
                                            add_generation_prompt=True)
            ids = tokenizers[name].encode(text, add_special_tokens=False).ids
            out.append({"tokenizer": name, "kind": kind,
                        # the data folder's own template is not copied here
                        "template": None if name == "qwen2" else template,
                        "messages": messages, "ids": ids})
            again = fast.apply_chat_template(messages, tokenize=True,
                                             add_generation_prompt=True,
                                             return_dict=False)
            assert again == ids, (name, kind, again, ids)
    return out


def write(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def write_rows(name, rows):
    """One row a line: diffs stay readable."""
    with open(os.path.join(HERE, name), "w") as file:
        file.write("[\n" + ",\n".join(
            json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")


def main():
    data = sys.argv[1]
    tokenizers = {"bytes": make_bytes(), "pieces": make_pieces(),
                  "first": make_first()}
    ends = {"bytes": ("<|begin_of_text|>", "<|end_of_text|>"),
            "pieces": ("<s>", "</s>"), "first": ("<s>", "</s>")}
    for name, tokenizer in tokenizers.items():
        os.makedirs(os.path.join(HERE, name), exist_ok=True)
        write(name + "/tokenizer.json", json.loads(tokenizer.to_str()))
        write(name + "/tokenizer_config.json",
              {"bos_token": ends[name][0], "eos_token": ends[name][1]})
    tokenizers["tinystories"] = Tokenizer.from_file(
        os.path.join(data, "models/tinystories-656k/tokenizer.json"))
    tokenizers["qwen2"], config = make_qwen2(data)
    rows = []
    for t in tokenizers.values():
        t.encode_special_tokens = True
    for text in texts():
        row = {"text": text}
        for name, t in tokenizers.items():
            row[name] = t.encode(text, add_special_tokens=False).ids
        rows.append(row)
    write_rows("lines.json", rows)
    for t in tokenizers.values():
        t.encode_special_tokens = False
    rows = []
    for text in SPECIAL:
        row = {"text": text}
        for name in ("bytes", "pieces", "first", "tinystories"):
            row[name] = tokenizers[name].encode(
                text, add_special_tokens=True).ids
        rows.append(row)
    write_rows("special.json", rows)
    write_rows("chats.json", chats(tokenizers, config))


main()
