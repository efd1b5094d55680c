/* chat.c - placeholder until written below. */
#include "tokenizer/chat.h"
#include <string.h>
void aci_tokenizer_chat_recognise(aci_chat_style *style, const char *text, size_t n_bytes)
{ (void)text; memset(style,0,sizeof *style); style->kind = n_bytes ? ACI_CHAT_UNKNOWN : ACI_CHAT_PLAIN; }
