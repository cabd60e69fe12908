package agent

// Who commands run as: --switch_user, which is on by default.
//
//   - A command runs as its own user if it names one, else as the framework's; a container that is nested in another
//     as the other's. The name "" is one that does not exist.
//   - A user that this machine does not know: the executor is not launched, its tasks are dropped, EXECUTOR_TERMINATED.
//   - Sandboxes and persistent volumes belong to that user.
//   - Only root can become somebody else. Without that right commands of users who exist run as the user of this
//     program.
//   - With NoSwitchUser nobody asks for the user.

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// accounts are the users of this machine. Safe for concurrent use; the zero value is ready.
type accounts struct {
	mu    sync.Mutex
	known map[string]*account
	self  string // the user of this program
}

// account is a user of this machine.
type account struct {
	name       string
	uid, gid   int
	credential *process.Credential // to become that user; nil for the one that this program is
	foreign    bool                // this program may not become that user
}

// find returns the account of a name. An error is worded as Mesos words it.
func (a *accounts) find(name string) (*account, error) {
	if name == "" {
		return nil, wording("No such user ''")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.known[name]; found != nil {
		return found, nil
	}
	found, err := a.look(name)
	if err != nil {
		return nil, err
	}
	if a.known == nil {
		a.known = map[string]*account{}
	}
	a.known[name] = found
	return found, nil
}

func (a *accounts) look(name string) (*account, error) {
	if a.self == "" {
		if me, err := user.Current(); err == nil {
			a.self = me.Username
		}
	}
	own := &account{name: name, uid: os.Getuid(), gid: os.Getgid()}
	if name == a.self {
		return own, nil // whether it can be looked up or not
	}
	u, err := user.Lookup(name)
	if unknown := user.UnknownUserError(""); errors.As(err, &unknown) {
		return nil, wording("No such user '" + name + "'")
	}
	if err != nil {
		return nil, wording("Failed to get user information for '" + name + "': " + err.Error())
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, wording("Failed to get user information for '" + name + "': " + err.Error())
	}
	switch {
	case uid == own.uid:
		return own, nil
	case own.uid != 0:
		own.foreign = true
		return own, nil
	}
	c := &process.Credential{UID: uint32(uid), GID: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, wording("Failed to get the groups of user '" + name + "': " + err.Error())
	}
	for _, text := range groups {
		if id, err := strconv.ParseUint(text, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(id))
		}
	}
	return &account{name: name, uid: uid, gid: gid, credential: c}, nil
}

// switchesUser reports whether the user of a command matters here.
func (a *Agent) switchesUser() bool { return !a.cfg.NoSwitchUser && runtime.GOOS != "windows" }

// userOf names the user that a framework's command runs as.
func (a *Agent) userOf(f *framework, command *mesospb.CommandInfo) string {
	if command != nil && command.User != nil {
		return command.GetUser()
	}
	return f.info.GetUser()
}

// become returns the account that a command of a user runs as, nil if users are not switched. It may be called beside
// the loop.
func (a *Agent) become(name string) (*account, error) {
	if !a.switchesUser() {
		return nil, nil
	}
	list := &a.accounts
	if a.cfg.Host != nil {
		list = &a.cfg.Host.accounts
	}
	found, err := list.find(name)
	if err != nil {
		return nil, wording("Failed to chown directory to '" + name + "': " + err.Error())
	}
	if found.foreign {
		if _, told := a.asOneself.LoadOrStore(name, true); !told {
			a.log.Warn("commands of a user run as the one of this process, which may not become another", "user", name, "uid", os.Getuid())
		}
	}
	return found, nil
}

// userName is the name of the account, "" for nil.
func (u *account) userName() string {
	if u == nil {
		return ""
	}
	return u.name
}

// own gives a file, and all that is in it if it is a directory, to the account. Links are not followed.
func (u *account) own(path string) error {
	if !u.gives() {
		return nil
	}
	return filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, u.uid, u.gid)
	})
}

// ownOnly gives a file or directory to the account, without what is in it.
func (u *account) ownOnly(path string) error {
	if !u.gives() {
		return nil
	}
	return os.Lchown(path, u.uid, u.gid)
}

// giveFile gives an open file to the account.
func (u *account) giveFile(f *os.File) error {
	if !u.gives() {
		return nil
	}
	return f.Chown(u.uid, u.gid)
}

// gives reports whether this program can give files away.
func (u *account) gives() bool { return u != nil && os.Geteuid() == 0 }

// spec makes a process run as the account.
func (u *account) spec(s *process.Spec) {
	if u != nil {
		s.Credential = u.credential
	}
}
