// Dates that name their year, or a day of a month: Fri, 20 Apr 2001 20:18:00 -0400, 3. März 2024, February 2021,
// 2024-03-18, 18.03.2024. The clock at the beginning of a log's line is none: every line has one.
#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"

namespace kedge::memory::anchors {
namespace {

bool is_month(std::string_view w) {
  constexpr std::string_view kNames[] = {"January",
                                         "February",
                                         "March",
                                         "April",
                                         "May",
                                         "June",
                                         "July",
                                         "August",
                                         "September",
                                         "October",
                                         "November",
                                         "December",
                                         "Jan",
                                         "Feb",
                                         "Mar",
                                         "Apr",
                                         "Jun",
                                         "Jul",
                                         "Aug",
                                         "Sep",
                                         "Sept",
                                         "Oct",
                                         "Nov",
                                         "Dec",
                                         "Januar",
                                         "Februar",
                                         "M\xc3\xa4rz",
                                         "Mai",
                                         "Juni",
                                         "Juli",
                                         "Oktober",
                                         "Dezember",
                                         "Mrz",
                                         "Okt",
                                         "Dez",
                                         "janvier",
                                         "f\xc3\xa9vrier",
                                         "mars",
                                         "avril",
                                         "mai",
                                         "juin",
                                         "juillet",
                                         "ao\xc3\xbbt",
                                         "septembre",
                                         "octobre",
                                         "novembre",
                                         "d\xc3\xa9"
                                         "cembre"};
  return w.size() >= 3 && is_one_of(w, kNames);
}

bool is_weekday(std::string_view w) {
  constexpr std::string_view kNames[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
                                         "Mon",    "Tue",     "Wed",       "Thu",      "Fri",    "Sat",      "Sun"};
  return is_one_of(w, kNames);
}

int value(std::string_view s, size_t begin, size_t end) {
  int n = 0;
  for (size_t i = begin; i < end; ++i) n = 10 * n + (s[i] - '0');
  return n;
}

// The number at i has n digits at most and is from `least` to `most`: one behind it, or i.
size_t number_end(std::string_view s, size_t i, size_t n, int least, int most) {
  const size_t e = digits_end(s, i);
  if (e == i || e > i + n) return i;
  const int v = value(s, i, e);
  return v >= least && v <= most ? e : i;
}
size_t day_end(std::string_view s, size_t i) { return number_end(s, i, 2, 1, 31); }
size_t year_end(std::string_view s, size_t i) {
  const size_t e = number_end(s, i, 4, 1000, 2199);
  return is_word(at(s, e)) ? i : e;
}

// " 20:18:00 -0400", "T09:12:44.5Z" at i: one behind it, or i.
size_t time_end(std::string_view s, size_t i) {
  size_t j = i;
  if (at(s, j) == ' ' || at(s, j) == 'T') ++j;
  size_t e = number_end(s, j, 2, 0, 23);
  if (j == i || e == j || at(s, e) != ':' || number_end(s, e + 1, 2, 0, 59) != e + 3) return i;
  e += 3;
  if (at(s, e) == ':' && digits_end(s, e + 1) == e + 3) e += 3;
  if ((at(s, e) == '.' || at(s, e) == ',') && is_digit(at(s, e + 1))) e = digits_end(s, e + 1);
  if (at(s, e) == 'Z') return e + 1;
  const size_t zone = at(s, e) == ' ' ? e + 1 : e;
  if ((at(s, zone) == '+' || at(s, zone) == '-') && digits_end(s, zone + 1) == zone + 5) return zone + 5;
  return e;
}

// A day before the month at m, with its stop or ending: where it begins, or m.
size_t day_before(std::string_view s, size_t m) {
  if (m < 2 || s[m - 1] != ' ') return m;
  size_t e = m - 1;
  if (s[e - 1] == '.') --e;
  for (const std::string_view ending : {"st", "nd", "rd", "th", "er"}) {
    if (e > 2 && s.substr(e - 2, 2) == ending) {
      e -= 2;
      break;
    }
  }
  size_t b = e;
  while (b > 0 && is_digit(s[b - 1])) --b;
  return b < e && day_end(s, b) == e && (b == 0 || (!is_word(s[b - 1]) && s[b - 1] != '.')) ? b : m;
}

// A weekday and its comma before the date that begins at b.
size_t weekday_before(std::string_view s, size_t b) {
  size_t e = b;
  if (e > 0 && s[e - 1] == ' ') --e;
  if (e == b) return b;
  if (e > 0 && (s[e - 1] == ',' || s[e - 1] == '.')) --e;
  const size_t w = word_begin(s, e);
  return is_weekday(s.substr(w, e - w)) ? w : b;
}

// The date around the month [m, end): one behind it, or m; *begin is where it begins.
size_t worded_end(std::string_view s, size_t m, size_t end, size_t* begin) {
  *begin = day_before(s, m);
  const bool day = *begin < m;
  size_t i = end + (at(s, end) == '.' ? 1 : 0);
  size_t e = m;
  if (at(s, i) == ',') ++i;
  if (at(s, i) != ' ') return day ? end : m;
  ++i;
  if (const size_t y = year_end(s, i); y == i + 4) {
    e = time_end(s, y);
  } else if (const size_t d = day_end(s, i); !day && d > i && is_upper(s[m])) {
    size_t k = d;
    for (const std::string_view ending : {"st", "nd", "rd", "th"}) {
      if (has_at(s, k, ending)) k += 2;
    }
    if (is_word(at(s, k)) || at(s, k) == '%' || (at(s, k) == '.' && is_digit(at(s, k + 1)))) return m;
    const size_t time = time_end(s, k);
    if (time > k && m == 0) return m;  // the clock of a log
    size_t year = time + (at(s, time) == ',' ? 1 : 0);
    year += at(s, year) == ' ' ? 1 : 0;
    e = year > time && year_end(s, year) == year + 4 ? year_end(s, year) : time;
  } else if (day) {
    e = end;
  }
  if (e > m) *begin = weekday_before(s, *begin);
  return e;
}

// 2024-03-18, 2024/03/18, 18.03.2024, 18/03/2024 at i: one behind it, or i.
size_t numeric_end(std::string_view s, size_t i) {
  const size_t a = digits_end(s, i);
  const char sign = at(s, a);
  const size_t b = day_end(s, a + 1);
  if (b == a + 1 || at(s, b) != sign) return i;
  if (a == i + 4 && (sign == '-' || sign == '/')) {
    const bool known = number_end(s, i, 4, 1000, 2199) == a && value(s, a + 1, b) <= 12;
    const size_t e = day_end(s, b + 1);
    return known && e > b + 1 && !is_digit(at(s, e)) && at(s, e) != sign ? e : i;
  }
  if (sign != '.' && sign != '/') return i;
  const size_t e = year_end(s, b + 1);
  const bool last = e == b + 5 && (at(s, e) != '.' || !is_digit(at(s, e + 1)));
  return day_end(s, i) == a && last ? e : i;
}

// A digit stands by the word [i, end): "3. March", "5th March", "March 5".
bool near_digit(std::string_view s, size_t i, size_t end) {
  if (is_digit(at(s, end + 1)) || is_digit(at(s, end + 2))) return true;
  for (size_t k = 2; k <= 4 && k <= i; ++k) {
    if (is_digit(s[i - k])) return true;
  }
  return false;
}

}  // namespace

void find_dates(std::string_view s, std::vector<Reference>* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_word(s[i])) continue;
    const size_t end = word_end(s, i);
    if (is_digit(s[i])) {
      if (i > 0 && (s[i - 1] == '.' || s[i - 1] == '/' || s[i - 1] == '-')) {
        i = end - 1;
        continue;
      }
      const size_t date = numeric_end(s, i);
      if (date > i) {
        const size_t e = time_end(s, date);
        const bool clock = e > date && (i == 0 || (i == 1 && (s[0] == '[' || s[0] == '(')));
        if (!clock) add_reference(out, i, e, ReferenceKind::kDate, false);
        i = e - 1;
        continue;
      }
    } else if (end >= i + 3 && end <= i + 10 && near_digit(s, i, end) && is_month(s.substr(i, end - i))) {
      size_t begin = i;
      const size_t e = worded_end(s, i, end, &begin);
      if (e > i) {
        add_reference(out, begin, e, ReferenceKind::kDate, false);
        i = e - 1;
        continue;
      }
    }
    i = end - 1;
  }
}

}  // namespace kedge::memory::anchors
