package resources

import "math"

// fixedLimit is the first float that no longer fits the fixed-point range.
const fixedLimit = float64(math.MaxInt64) / 1000

// ToFixed converts a scalar to thousandths, rounding half away from zero as llround(v*1000) does in
// Mesos. Values beyond the int64 range saturate and NaN is 0: Validate refuses such resources.
func ToFixed(v float64) int64 {
	switch {
	case v >= fixedLimit:
		return math.MaxInt64
	case v <= -fixedLimit:
		return -math.MaxInt64
	case v != v:
		return 0
	}
	return int64(math.Round(v * 1000))
}

// FromFixed converts thousandths back to a scalar.
func FromFixed(f int64) float64 { return float64(f) / 1000 }

// addFixed adds without wrapping around: sums of absurd values stay absurd instead of turning negative.
func addFixed(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return -math.MaxInt64
	}
	return s
}
