// Package bench holds the benchmarks that cross packages; others are beside the code they measure.
// make bench runs all of them and prints what benchstat reads.
package bench
