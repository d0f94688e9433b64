"""Order statistics, histograms, distances, differences: what programs use less than sums and means."""
