// "What day of the week was 4 July 1776?", "How many days are in February 2024?", "Is 2024 a leap year?"
#include <array>
#include <chrono>

#include "router/courtesy.h"
#include "router/derive.h"
#include "router/numeral.h"

namespace kedge::router::derivations {
namespace {

constexpr auto kMonths =
    std::to_array<std::string_view>({"january", "february", "march", "april", "may", "june", "july", "august",
                                     "september", "october", "november", "december"});
constexpr auto kWeekdays =
    std::to_array<const char*>({"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"});
constexpr int kFirstYear = 1753;  // before, dates meant another day in some countries
constexpr int kLastYear = 9999;

class Reader {
 public:
  explicit Reader(std::string_view core) : tokens_(number_tokens(core)) {}

  bool accept(std::initializer_list<std::string_view> words) {
    size_t i = at_;
    for (const std::string_view w : words) {
      if (i >= tokens_.size() || tokens_[i].text != w) return false;
      ++i;
    }
    return at_ = i, true;
  }
  int month() {
    for (size_t i = 0; i < kMonths.size(); ++i) {
      const std::string_view name = kMonths[i];
      const bool full = accept({name});
      if (full || (name != "may" && accept({name.substr(0, 3)}))) {
        if (!full) accept({"."});
        return static_cast<int>(i) + 1;
      }
    }
    return 0;
  }
  // Digits alone, of `low` to `high` characters.
  int digits(size_t low, size_t high) {
    if (at_ >= tokens_.size()) return -1;
    const NumberToken& t = tokens_[at_];
    const bool plain = t.kind == NumberToken::kDigits && t.text.find_first_not_of("0123456789") == std::string::npos;
    if (!plain || t.text.size() < low || t.text.size() > high) return -1;
    ++at_;
    return std::stoi(t.text);
  }
  int year() {
    const int y = digits(4, 4);
    return y >= kFirstYear && y <= kLastYear ? y : -1;
  }
  int day() {
    accept({"the"});
    const int d = digits(1, 2);
    if (d < 1) return -1;
    const bool tight = at_ < tokens_.size() && !tokens_[at_].space_before;
    if (tight && (accept({"st"}) || accept({"nd"}) || accept({"rd"}) || accept({"th"}))) return d;
    return d;
  }
  // 4 July 1776, July 4th, 1776, 1776-07-04.
  std::optional<std::chrono::year_month_day> date() {
    int y = -1;
    int m = 0;
    int d = -1;
    if (at_ + 4 < tokens_.size() && tokens_[at_ + 1].text == "-" && tokens_[at_].text.size() == 4) {
      y = year();
      accept({"-"});
      m = digits(2, 2);
      d = accept({"-"}) ? digits(2, 2) : -1;
    } else if ((m = month()) > 0) {
      d = day();
      accept({","});
      y = year();
    } else {
      d = day();
      accept({"of"});
      m = month();
      accept({","});
      y = year();
    }
    if (y < 0 || m < 1 || d < 1) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{y}, std::chrono::month{static_cast<unsigned>(m)},
                                           std::chrono::day{static_cast<unsigned>(d)}};
    return date.ok() ? std::optional(date) : std::nullopt;
  }
  bool done() {
    while (accept({"?"}) || accept({"."})) {
    }
    return at_ == tokens_.size();
  }

 private:
  std::vector<NumberToken> tokens_;
  size_t at_ = 0;
};

std::string text(std::chrono::year_month_day d) {
  const auto two = [](unsigned v) { return (v < 10 ? "0" : "") + std::to_string(v); };
  return std::to_string(static_cast<int>(d.year())) + "-" + two(static_cast<unsigned>(d.month())) + "-" +
         two(static_cast<unsigned>(d.day()));
}

bool asks_weekday(Reader& r) {
  for (const std::string_view of : {"of", "in"}) {
    for (const std::string_view word : {"what", "which"}) {
      if (r.accept({word, "day", of, "the", "week"}) || r.accept({"on", word, "day", of, "the", "week"}) ||
          r.accept({word, "weekday"}) || r.accept({"on", word, "weekday"})) {
        return true;
      }
    }
  }
  return false;
}

std::optional<Derived> weekday(Reader& r) {
  const bool did = r.accept({"did"}) || r.accept({"does"}) || r.accept({"will"});
  if (!did && !r.accept({"was"}) && !r.accept({"is"})) return std::nullopt;
  const auto date = r.date();
  if (!date) return std::nullopt;
  if (did && !r.accept({"fall", "on"}) && !r.accept({"fall"}) && !r.accept({"be"})) return std::nullopt;
  r.accept({"on"});
  if (!r.done()) return std::nullopt;
  const std::chrono::sys_days days{*date};
  const std::chrono::weekday w{days};
  Derived d{.answer = kWeekdays[w.c_encoding()], .form = Derived::Form::kOneOf};
  for (const char* name : kWeekdays) d.choices.emplace_back(name);
  const auto since = days.time_since_epoch().count();
  d.steps = text(*date) + " is " + std::to_string(since < 0 ? -since : since) + " days " +
            (since < 0 ? "before" : "after") + " Thursday, 1970-01-01";
  return d;
}

std::optional<Derived> days_in_month(Reader& r) {
  const bool are = r.accept({"are", "there", "in"}) || r.accept({"are", "in"}) || r.accept({"in"});
  if (!are && !r.accept({"does"}) && !r.accept({"has"}) && !r.accept({"did"}) && !r.accept({"were", "in"}) &&
      !r.accept({"were", "there", "in"}) && !r.accept({"will", "there", "be", "in"})) {
    return std::nullopt;
  }
  r.accept({"the", "month", "of"});
  int y = -1;
  int m = r.month();
  if (m > 0) {
    r.accept({"of"}) || r.accept({"in"}) || r.accept({","});
    y = r.year();
  } else {
    y = r.year();
    if (y < 0 || !r.accept({"-"})) return std::nullopt;
    m = r.digits(2, 2);
  }
  if (m < 1 || m > 12 || (m == 2 && y < 0)) return std::nullopt;
  if (!are) r.accept({"have"});
  r.accept({"there"});
  if (!r.done()) return std::nullopt;
  const std::chrono::year_month_day_last last{std::chrono::year{y < 0 ? 2023 : y},
                                              std::chrono::month{static_cast<unsigned>(m)} / std::chrono::last};
  const auto n = static_cast<unsigned>(last.day());
  const Rational value = Rational::whole(static_cast<int>(n));
  const bool leap = y >= 0 && last.year().is_leap();
  std::string steps = "month " + std::to_string(m) + " has " + std::to_string(n) + " days";
  if (m == 2) steps += ": " + std::to_string(y) + (leap ? " is a leap year" : " is no leap year");
  return Derived{.answer = value.text(), .steps = steps, .number = {.value = value, .operands = {}, .units = {"days"}}};
}

std::optional<Derived> leap_year(Reader& r) {
  r.accept({"the", "year"});
  const int y = r.year();
  if (y < 0 || !r.accept({"a", "leap", "year"}) || !r.done()) return std::nullopt;
  const bool leap = std::chrono::year{y}.is_leap();
  const std::string why = y % 400 == 0   ? " is divisible by 400"
                          : y % 100 == 0 ? " is divisible by 100 and not by 400"
                          : y % 4 == 0   ? " is divisible by 4 and not by 100"
                                         : " is not divisible by 4";
  return Derived{.answer = leap ? "yes" : "no", .steps = std::to_string(y) + why, .form = Derived::Form::kYesNo};
}

std::optional<Derived> derive(std::string_view question) {
  Reader r(without_courtesy(question).core);
  if (asks_weekday(r)) return weekday(r);
  if (r.accept({"how", "many", "days"})) return days_in_month(r);
  if (r.accept({"is"}) || r.accept({"was"})) return leap_year(r);
  return std::nullopt;
}

}  // namespace

extern constinit const DerivationDef calendar;
constinit const DerivationDef calendar = {"calendar", "weekdays of dates, days of months, leap years", derive};

}  // namespace kedge::router::derivations
