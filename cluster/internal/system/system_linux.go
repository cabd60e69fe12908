package system

import "golang.org/x/sys/unix"

// loadScale is by what the kernel multiplies the load.
const loadScale = 1 << 16

func read() facts {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return unknown
	}
	f := facts{total: float64(info.Totalram) * float64(info.Unit), free: float64(info.Freeram) * float64(info.Unit)}
	for i, v := range info.Loads {
		f.load[i] = float64(v) / loadScale
	}
	return f
}
