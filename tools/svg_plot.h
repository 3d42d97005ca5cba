// Line charts as one self-contained SVG document: what `--plot` of `kedge bench` and `kedge eval` writes.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kedge::tools {

struct PlotSeries {
  std::string name;  // in the legend
  std::vector<std::pair<double, double>> points;
  int colour = 0;       // an index (6 is black); series of one colour belong together
  bool dashed = false;  // a bound rather than a measurement: no markers
  // Low and high of each point, or none: drawn as whiskers, those of different series beside each other.
  std::vector<std::pair<double, double>> intervals = {};
};

struct PlotChart {
  std::string title;
  std::string x_label;  // with the unit
  std::string y_label;
  bool x_log2 = false;  // all x > 0
  std::vector<PlotSeries> series;
  std::vector<double> x_ticks = {};  // ascending: the axis goes from the first to the last; empty: chosen
  double y_high = 0;                 // the end of the axis; 0: chosen
  double y_low = 0;                  // its beginning, when that is not 0
};

// For the text of an SVG document, which any program may make.
std::string svg_escaped(const std::string& text);

// The charts below each other, 900 pixels wide. Charts without points are left out.
std::string svg_document(const std::string& heading, const std::vector<PlotChart>& charts);

}  // namespace kedge::tools
