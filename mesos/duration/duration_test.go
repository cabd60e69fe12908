package duration

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseReadsEveryUnit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0ns":                    0,
		"5ns":                    5,
		"5us":                    5 * time.Microsecond,
		"5ms":                    5 * time.Millisecond,
		"15secs":                 15 * time.Second,
		"10mins":                 10 * time.Minute,
		"1hrs":                   time.Hour,
		"3days":                  72 * time.Hour,
		"2weeks":                 14 * 24 * time.Hour,
		"0.5hrs":                 30 * time.Minute,
		".5hrs":                  30 * time.Minute,
		"5.hrs":                  5 * time.Hour,
		"1.0000019us":            1000,
		"0.1secs":                100 * time.Millisecond,
		"-3weeks":                -21 * 24 * time.Hour,
		"-0secs":                 0,
		"00015secs":              15 * time.Second,
		"9223372036854775807ns":  math.MaxInt64,
		"-9223372036854775808ns": math.MinInt64,
		"0.00000000000000000000000000000001weeks": 0,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseRefusesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"", "5", "secs", ".secs", "-", "--5secs", "+5secs", "5 secs", " 5secs", "5secs ", "5s", "5sec", "1h30m", "1.2.3secs", "1e3secs", "0x5ns", "5SECS",
		"9223372036854775808ns", "-9223372036854775809ns", "99999999999999999999ns", "20000weeks", "15250.9weeks", "18446744073709551615.9ns", "５secs", "NaNsecs", "infsecs",
	} {
		var pe *ParseError
		if got, err := Parse(text); !errors.As(err, &pe) || pe.Text != text {
			t.Errorf("Parse(%q) = %v, %v, want a ParseError", text, got, err)
		}
	}
}

func TestFormatWritesWhatMesosWrites(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0ns":                 0,
		"999ns":               999,
		"1us":                 1000,
		"1001ns":              1001,
		"1500us":              1500 * time.Microsecond,
		"1.000001ms":          1000001,
		"1.0000005secs":       time.Second + 500,
		"2500ms":              2500 * time.Millisecond,
		"15secs":              15 * time.Second,
		"75secs":              75 * time.Second,
		"10mins":              10 * time.Minute,
		"90mins":              90 * time.Minute,
		"25hrs":               25 * time.Hour,
		"10days":              240 * time.Hour,
		"1weeks":              7 * 24 * time.Hour,
		"-5secs":              -5 * time.Second,
		"1.00416666666667hrs": time.Hour + 15*time.Second,
		"1.00000000000028hrs": time.Hour + 1,
	} {
		if got := Format(d); got != want {
			t.Errorf("Format(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestFormatKeepsNanosecondsThatMesosRoundsOff(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"9223372036854775807ns":  math.MaxInt64,
		"-9223372036854775808ns": math.MinInt64,
	} {
		if got := Format(d); got != want {
			t.Errorf("Format(%d) = %s, want %s", d, got, want)
		}
	}
}

func ExampleParse() {
	d, err := Parse("1.5hrs")
	fmt.Println(d, err)
	_, err = Parse("90m")
	fmt.Println(err)
	// Output:
	// 1h30m0s <nil>
	// invalid duration "90m": unknown unit "m"; use ns, us, ms, secs, mins, hrs, days or weeks
}

func TestParseUndoesFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "ns")) * time.Duration(rapid.SampledFrom([]int64{1, 1, 1000, 1e6, 5e8, 6e10}).Draw(t, "scale"))
		if back, err := Parse(Format(d)); err != nil || back != d {
			t.Fatalf("%d -> %s -> %d, %v", d, Format(d), back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"15secs", "0.5hrs", "-1weeks", "1.2.3ms", "9223372036854775807ns", ".ns", "1e3secs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		if back, err := Parse(Format(d)); err != nil || back != d {
			t.Fatalf("%q -> %d -> %s -> %d, %v", s, d, Format(d), back, err)
		}
	})
}
