// The textual part of compiling; see translate.h.
#include "translate.h"
#include <cctype>
#include <vector>

namespace simulator {
namespace {

struct Kernel {
  std::string name, threads; // The latter as __launch_bounds__ has it; empty if there is none.
};

class Translator {
public:
  explicit Translator(const std::string &text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) {
      const std::string token = next();
      if (token == "__global__") kernel(token);
      else out_ += token;
    }
    return out_ + table();
  }

private:
  const std::string &text_;
  size_t at_ = 0;
  std::string out_;
  std::vector<Kernel> kernels_;

  static bool isWord(char letter) { return std::isalnum(static_cast<unsigned char>(letter)) || letter == '_'; }

  // A word, a comment, a literal with quotes, white space, or one other character.
  std::string next() {
    const size_t start = at_;
    const char first = text_[at_];
    if (isWord(first)) {
      while (at_ < text_.size() && isWord(text_[at_])) at_++;
    } else if (std::isspace(static_cast<unsigned char>(first))) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) at_++;
    } else if (text_.compare(at_, 2, "//") == 0)
      at_ = std::min(text_.find('\n', at_), text_.size());
    else if (text_.compare(at_, 2, "/*") == 0) {
      const size_t end = text_.find("*/", at_ + 2);
      at_ = end == std::string::npos ? text_.size() : end + 2;
    } else if (first == '"' || first == '\'')
      skipQuoted(first);
    else
      at_++;
    return text_.substr(start, at_ - start);
  }

  void skipQuoted(char quote) {
    for (at_++; at_ < text_.size() && text_[at_] != quote; at_++)
      if (text_[at_] == '\\') at_++;
    at_ = std::min(at_ + 1, text_.size());
  }

  static bool isBlank(const std::string &token) {
    return std::isspace(static_cast<unsigned char>(token[0])) || token.compare(0, 2, "//") == 0 || token.compare(0, 2, "/*") == 0;
  }

  // Copies tokens up to the bracket that closes the one just copied; gives what is between them.
  std::string copyBracketed(char open, char close, bool inBody, const std::string &kernelName) {
    const size_t start = out_.size();
    for (int depth = 1; at_ < text_.size();) {
      const std::string token = next();
      if (token[0] == open) depth++;
      if (token[0] == close && --depth == 0) {
        const std::string between = out_.substr(start);
        out_ += token;
        return between;
      }
      if (inBody && token == "extern") dynamicShared(token);
      else if (inBody && token == "__shared__") out_ += "SIM_SHARED(" + kernelName + ")";
      else out_ += token;
    }
    return out_.substr(start);
  }

  // From __global__ to the end of the function, or of its declaration.
  void kernel(const std::string &keyword) {
    out_ += keyword;
    Kernel found;
    while (at_ < text_.size()) {
      const std::string token = next();
      out_ += token;
      if (isBlank(token)) continue;
      if (token == ";") return;
      if (token == "(" && found.name == "__launch_bounds__") {
        const std::string bounds = copyBracketed('(', ')', false, "");
        found.threads = bounds.substr(0, bounds.find(','));
      } else if (token == "(") {
        copyBracketed('(', ')', false, "");
      } else if (token == "{") {
        copyBracketed('{', '}', true, found.name);
        kernels_.push_back(found);
        return;
      } else if (isWord(token[0]))
        found.name = token;
    }
  }

  // `extern __shared__ T name[];` becomes the declaration of the one place where dynamic shared memory lies.
  void dynamicShared(const std::string &keyword) {
    out_ += keyword;
    bool shared = false;
    while (at_ < text_.size()) {
      const std::string token = next();
      if (token == "__shared__") shared = true;
      else if (token == ";") {
        out_ += shared ? " __asm__(\"simDynamicShared\");" : ";";
        return;
      } else
        out_ += token;
    }
  }

  std::string table() const {
    std::string declarations, rows;
    for (const auto &[name, threads] : kernels_) {
      declarations += "SIM_SHARED_BOUNDS(" + name + ")\n";
      rows += "  SIM_KERNEL(" + name + ", " + (threads.empty() ? "1024" : threads) + "),\n";
    }
    return "\n# 1 \"<simulator>\"\n" + declarations + "SIM_TABLE = {\n" + rows + "  {}\n};\n";
  }
};

} // namespace

std::string translate(const std::string &cuda) { return Translator(cuda).run(); }

} // namespace simulator
