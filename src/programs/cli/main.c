/* main.c - `agentcompress`: finds the command and runs it. */
#include <string.h>

#include "cli.h"

static const command commands[] = {
    { "compress", "CHECKPOINT ZOO", "make a zoo of variants from a model",
      "  agentcompress compress ./SmolLM-135M smollm.zoo\n"
      "  agentcompress compress model.gguf my.zoo --variants int8,int4\n"
      "  agentcompress compress ./my my.zoo --calibrate text.txt "
      "--target cost=0.15\n"
      "  agentcompress compress synthetic:smollm-135m bench.zoo\n",
      command_compress },
    { "run", "ZOO PROMPT", "route a prompt, generate, and account for it",
      "  agentcompress run my.zoo 'The symbol of iron is'\n"
      "  agentcompress run my.zoo --variant int4 --max-tokens 64 'Once'\n"
      "  agentcompress run my.zoo --temperature 0.8 --seed 7 --json 'Once'\n"
      "  echo 'Once upon a time' | agentcompress run my.zoo -\n",
      command_run },
    { "chat", "ZOO", "talk to the model; each turn is routed",
      "  agentcompress chat my.zoo\n"
      "  agentcompress chat my.zoo --system 'Answer briefly.'\n",
      command_chat },
    { "route", "ZOO PROMPT", "show which variant would answer, and why",
      "  agentcompress route my.zoo 'Prove the theorem of Noether'\n"
      "  agentcompress route my.zoo --confidence 0.9 --json 'Hello'\n",
      command_route },
    { "ledger", "ZOO", "what the requests cost, and what full would have",
      "  agentcompress ledger my.zoo\n"
      "  agentcompress ledger my.zoo --by day --csv\n"
      "  agentcompress ledger my.zoo --report report.html\n"
      "  agentcompress ledger my.zoo --feedback 17 --success 1\n",
      command_ledger },
    { "inspect", "ZOO|CHECKPOINT|PREDICTOR", "say what a file or folder is",
      "  agentcompress inspect my.zoo\n"
      "  agentcompress inspect model.gguf --json\n"
      "  agentcompress inspect my.zoo --plot frontier.svg\n"
      "  agentcompress inspect my.zoo --plot f.svg --cost bit_operations\n",
      command_inspect },
    { "export", "ZOO OUT", "write a variant for llama.cpp or vLLM",
      "  agentcompress export my.zoo my-q4.gguf --variant int4\n"
      "  agentcompress export my.zoo my-bf16.gguf --type bf16\n"
      "  agentcompress export my.zoo ./my-w4a16 --variant int4\n"
      "  agentcompress export my.zoo ./my-w8a8 --variant int8 --json\n"
      "types of gguf: f32 f16 bf16 q8_0 q4_0; of compressed-tensors: bf16 "
      "f16\nw8a8 w8a16 w4a16. What is written is read back and compared "
      "first.\n",
      command_export },
    { "tokenize", "ZOO TEXT", "show a text's tokens",
      "  agentcompress tokenize my.zoo 'Hello world'\n",
      command_tokenize },
    { "score", "ZOO TEXT", "perplexity of a text, and KL against full",
      "  agentcompress score my.zoo 'Once upon a time there was'\n"
      "  agentcompress score my.zoo --variant int4 --file text.txt\n",
      command_score },
    { "perplexity", "ZOO|CHECKPOINT TEXT...",
      "judge variants by texts: perplexity, KL, standard errors",
      "  agentcompress perplexity my.zoo wikitext2-test.txt.xz\n"
      "  agentcompress perplexity my.zoo test.jsonl --variants int4 --json\n"
      "  as GPTQ and AWQ have it: windows of 2048, no begin token\n"
      "  agentcompress perplexity my.zoo t.txt --context 2048 "
      "--whole-windows \\\n      --begin none --special\n"
      "  as llama.cpp has it: second halves of 512\n"
      "  agentcompress perplexity my.zoo t.txt --context 512 "
      "--second-half \\\n      --whole-windows --begin window\n"
      "  each token once, after at least 384 others\n"
      "  agentcompress perplexity my.zoo t.txt --context 512 "
      "--stride 128\n",
      command_perplexity },
    { "measure", "ZOO", "time the variants here, and write it into the card",
      "  agentcompress measure my.zoo\n"
      "  agentcompress measure my.zoo --text sample.txt\n",
      command_measure },
    { "outcomes", "ZOO TASKS.jsonl OUTCOMES.jsonl",
      "run every variant on tasks with known answers",
      "  agentcompress outcomes my.zoo tasks.jsonl outcomes.jsonl\n"
      "  agentcompress outcomes my.zoo tasks.jsonl o.jsonl --contains\n"
      "  agentcompress outcomes my.zoo prompts.jsonl o.jsonl --like-full\n",
      command_outcomes },
    { "train", "MODEL OUT", "train a model on text or on prompts and answers",
      "  agentcompress train ./fresh out --data tasks.jsonl --epochs 3\n"
      "  agentcompress train ./fresh out --data a.jsonl:2 b.txt.xz "
      "\\\n      --held-out-share 0.02 --patience 4\n"
      "  agentcompress train ./fresh out --data tasks.jsonl --resume\n"
      "  agentcompress train ./Llama out --data my.jsonl --trainable lora\n"
      "  agentcompress train ./small out --data t.txt --teacher ./large\n"
      "  agentcompress train --plot out/log.csv curve.svg\n"
      "MODEL has config.json and tokenizer.json; with weights they are the "
      "start.\nOUT is a model like it, which compress takes.\n",
      command_train },
    { "train-predictor", "OUTCOMES.jsonl PREDICTOR",
      "learn which prompts each variant can answer",
      "  agentcompress train-predictor outcomes.jsonl my.zoo/predictor.acp\n"
      "  agentcompress train-predictor outcomes.jsonl.xz p.acp --seed 3\n",
      command_train_predictor },
    { "workflows", "ACTION ...",
      "chained tasks with checkers: make, run, score", "", command_workflows },
    { "train-tokenizer", "OUT --data FILE...",
      "learn a byte-level BPE tokenizer from text",
      "  agentcompress train-tokenizer my-model --data corpus.txt.xz\n"
      "  agentcompress train-tokenizer tokenizer.json --vocab 8192 \\\n"
      "      --data stories.jsonl articles.txt --special '<|user|>'\n",
      command_train_tokenizer },
    { "bench", "ZOO", "tokens per second and dollars of every variant",
      "  agentcompress bench my.zoo\n"
      "  agentcompress bench --synthetic smollm-135m --threads 2\n"
      "  agentcompress bench --synthetic llama-2-70b --device cuda:0 --json\n"
      "  agentcompress bench --synthetic llama-3-8b,n_layer=4,seed=7 \\\n"
      "      --variant int4 --prompt 16,64 --generate 8\n"
      "  agentcompress bench --synthetic ./my-model/config.json \\\n"
      "      --prices book.json --price our-server\n\n"
      "SHAPE is a name (an unknown one lists them) or a config.json, then\n"
      "fields: n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab,\n"
      "n_context, tied, seed, group, block_mib, variants=int8+int4.\n",
      command_bench },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    size_t i;

    fprintf(to, "agentcompress %s - run language-model agents cheaply\n\n"
            "usage: agentcompress COMMAND [OPTIONS] ARGUMENTS\n\n",
            ac_version());
    for (i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-16s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n`agentcompress COMMAND --help` explains a command.\n"
            "Most commands take --json. Exit codes: 0 done, 1 usage, 2 "
            "missing,\n3 malformed, 4 context, 5 resources, 6 device, 7 "
            "budget, 8 cancelled, 9 internal.\n");
}

int main(int argc, char **argv)
{
    size_t i;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("agentcompress %s\n", ac_version());
        return EXIT_DONE;
    }
    watch_interrupts();
    for (i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2, &commands[i]);
    fprintf(stderr, "agentcompress: there is no command \"%s\"; "
            "`agentcompress --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
