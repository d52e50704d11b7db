// Decoders of tokenizer.json: token spellings back to text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace mainspring::tok {

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& tokens) const = 0;
  // What the decoder does to single bytes, so that streaming can see incomplete characters.
  virtual bool byte_level() const { return false; }     // spellings are in the byte alphabet
  virtual bool byte_fallback() const { return false; }  // "<0xE4>" is a byte
};
using DecoderPtr = std::unique_ptr<Decoder>;

// `spec` is the "decoder" member; null gives nullptr (tokens are then joined by spaces).
DecoderPtr make_decoder(const Json& spec);
DecoderPtr make_byte_level_decoder();
// sentencepiece: U+2581 to space, byte tokens, all in one, and the space in front taken off when there is a prefix.
DecoderPtr make_sentencepiece_decoder(bool strip_prefix);
DecoderPtr make_word_piece_decoder();

// The byte of "<0xE4>", -1 for anything else.
int fallback_byte(std::string_view token) noexcept;

}  // namespace mainspring::tok
