package zookeeper

import (
	"strconv"
	"strings"
)

// lone is the directory of keys without a slash; an escaped name has no @.
const lone = "@"

// split returns the directory and the name of a record's node.
func split(key string) (dir, name string) {
	first, rest, ok := strings.Cut(key, "/")
	if !ok {
		return lone, escape(key)
	}
	return escape(first), escape(rest)
}

// join returns the key of a record's node; ok is false for nodes that are none of ours.
func join(dir, name string) (key string, ok bool) {
	rest, ok := unescape(name)
	if dir == lone {
		return rest, ok && !strings.Contains(rest, "/")
	}
	first, ok2 := unescape(dir)
	return first + "/" + rest, ok && ok2 && !strings.Contains(first, "/")
}

func (b *backend) recordPath(key string) string {
	dir, name := split(key)
	return b.root + "/records/" + dir + "/" + name
}

// plain says whether a byte stands for itself in a name.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_~=:+,", c) >= 0
}

// escape makes a name of ZooKeeper of any string but "", "." and "..".
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			out.WriteByte(c)
		} else {
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out.String()
}

// unescape undoes escape; ok is false for what escape does not write.
func unescape(name string) (s string, ok bool) {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if plain(name[i]) {
			out.WriteByte(name[i])
			continue
		}
		if name[i] != '%' || i+2 >= len(name) {
			return "", false
		}
		c, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out.WriteByte(byte(c))
		i += 2
	}
	return out.String(), escape(out.String()) == name
}
