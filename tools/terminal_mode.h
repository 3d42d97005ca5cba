// The terminal as a line editor needs it: keys one by one, none echoed, marks around what is pasted. Whatever ends or
// stops the program, the terminal is left as it was.
#pragma once

#include <string_view>

namespace kedge::tools::terminal {

// False when standard input is no terminal. One at a time.
bool open();
void close();
// To the terminal, also when standard output goes elsewhere.
void put(std::string_view text);
// Whether this is the key that the terminal has been set to take for that (VERASE and the like).
bool is_key(char c, int which);
// Whether its size has changed since the last call; columns and rows are 0 where they are not known.
bool resized();
struct Size {
  unsigned columns = 0;
  unsigned rows = 0;
};
Size size();

}  // namespace kedge::tools::terminal
