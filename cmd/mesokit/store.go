package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/internal/visible"
)

func newStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Back up, restore and look into what a scheduler remembers",
		Long: `store works on the store of mesokit scheduler itself, without a scheduler. A store in a file belongs to the scheduler
while that runs: use mesokit app backup then.

Restoring is also the way from one kind of store to another: back up, and restore into the new one.`,
		Example: `  mesokit store backup --name prod prod.backup
  mesokit store restore --store etcd:10.0.0.1:2379/prod prod.backup
  mesokit store ls --name prod`,
	}
	f := cmd.PersistentFlags()
	f.String("store", "", "bolt:PATH, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH (default: the file of --name)")
	f.String("name", "mesokit", "name of the framework whose file it is")
	new(placeTLS).flags(f)
	cmd.AddCommand(newStoreBackup(), newStoreRestore(), newStoreList(), newStoreResetFence())
	return cmd
}

// withStore runs a command with the store that the flags name. Unless make is true it has to be there already, if it is a file.
func withStore(cmd *cobra.Command, make bool, run func(ctx context.Context, s store.Store, p place) error) (err error) {
	text, _ := cmd.Flags().GetString("store")
	if text == "" {
		name, _ := cmd.Flags().GetString("name")
		if text, err = defaultStore(name); err != nil {
			return err
		}
	}
	p, err := parsePlace(text)
	if err != nil {
		return usagef("--store %s: %w", text, err)
	}
	if p.kind == "memory" {
		return usagef("--store memory is in the memory of a scheduler: use mesokit app backup")
	}
	if p.kind == "bolt" && !make {
		if _, err := os.Stat(p.path); err != nil {
			return fmt.Errorf("there is no store: %w", err)
		}
	}
	if err := secureBy(cmd.Flags(), &p); err != nil {
		return err
	}
	slow := time.AfterFunc(connectPatience, func() { fmt.Fprintf(cmd.ErrOrStderr(), "mesokit: %s does not answer yet; waiting for it\n", p) })
	defer slow.Stop()
	s, err := p.openStore(cmd.Context())
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%s: %w: stop the scheduler that uses it; mesokit app backup makes a backup while it runs", p, err)
	case err != nil:
		return storeTrouble(p, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return run(cmd.Context(), s, p)
}

// backupOf is how the API makes a backup.
func backupOf(s store.Store) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		_, err := store.Backup(ctx, s, w)
		return err
	}
}

// emitBackup says what a backup has.
func emitBackup(cmd *cobra.Command, info store.BackupInfo, what, where string) error {
	return emit(cmd, info, "%s %d records of %s, %s", what, info.Records, info.Created.Format(time.RFC3339), where)
}

// backupTo says where a backup goes: to a file that is not there yet, or may be replaced, or to stdout.
type backupTo struct{ force bool }

func (b *backupTo) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&b.force, "force", false, "replace FILE if it exists")
}

// check refuses a file that exists, before anything is done.
func (b *backupTo) check(file string) error {
	if _, err := os.Lstat(file); file != "-" && err == nil && !b.force {
		return usagef("%s exists: name another file, or replace it with --force", file)
	}
	return nil
}

// save has a backup written where it belongs, and says what it has: on stderr, if stdout is the backup.
func (b *backupTo) save(cmd *cobra.Command, file string, toFile func(path string) (store.BackupInfo, error), to func(io.Writer) (store.BackupInfo, error)) error {
	if file == "-" {
		info, err := to(visible.Raw(cmd.OutOrStdout()))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "Wrote %d records of %s\n", info.Records, info.Created.Format(time.RFC3339))
		return err
	}
	info, err := toFile(file)
	if err != nil {
		return err
	}
	return emitBackup(cmd, info, "Saved", "in "+file)
}

func newStoreBackup() *cobra.Command {
	var b backupTo
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write the whole state to a file", Args: cobra.ExactArgs(1),
		Long: `backup writes everything that is in the store, as it is together at one moment, to FILE, which appears when it is complete, or to
stdout for -.
Schedulers that share a store in etcd or ZooKeeper may go on meanwhile.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(args[0]); err != nil {
				return err
			}
			return withStore(cmd, false, func(ctx context.Context, s store.Store, _ place) error {
				return b.save(cmd, args[0],
					func(path string) (store.BackupInfo, error) { return store.BackupFile(ctx, s, path) },
					func(w io.Writer) (store.BackupInfo, error) { return store.Backup(ctx, s, w) })
			})
		},
	}
	b.flags(cmd)
	return cmd
}

func newStoreRestore() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put the state of a backup into a store", Args: cobra.ExactArgs(1),
		Long: `restore puts the records of a backup into the store, all or nothing, and first checks that the backup is sound. A scheduler
that still runs on a shared store ends with an error then, since it does not know what is stored now; start it again. One that starts with
the restored store takes up what runs: tasks
that were launched after the backup are reported as orphans, tasks that have ended since are launched again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			_, err = store.ReadBackup(f, nil)
			if err = errors.Join(err, f.Close()); err != nil { // a bad file must not even make a store
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return withStore(cmd, true, func(ctx context.Context, s store.Store, p place) error {
				if replace {
					present, _, err := s.List(ctx, "")
					if err != nil {
						return err
					}
					if len(present) > 0 {
						if err := confirm(cmd, "restore --replace deletes %s of %s", plural(len(present), "record"), p); err != nil {
							return err
						}
					}
				}
				info, err := store.RestoreFile(ctx, s, args[0], store.RestoreOptions{Replace: replace})
				if errors.Is(err, store.ErrNotEmpty) {
					return fmt.Errorf("%w; --replace does that", err)
				}
				if err != nil {
					return err
				}
				return emitBackup(cmd, info, "Restored", "into "+p.String())
			})
		},
	}
	confirmFlag(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the records that the store has; what is not in the backup is gone")
	return cmd
}

// storedRecord is a line of store ls -o json.
type storedRecord struct {
	Key      string         `json:"key"`
	Revision store.Revision `json:"revision"`
	Bytes    int            `json:"bytes"`
}

func newStoreList() *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "ls [PREFIX]", Short: "List the records of a store", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, false, func(ctx context.Context, s store.Store, _ place) error {
				records, _, err := s.List(ctx, append(args, "")[0])
				if err != nil {
					return err
				}
				rows := []storedRecord{}
				for _, r := range records {
					rows = append(rows, storedRecord{r.Key, r.Revision, len(r.Value)})
				}
				t := newTable(cmd, "key", "revision", "bytes")
				for _, r := range rows {
					t.AppendRow(table.Row{r.Key, r.Revision, r.Bytes})
				}
				return emit(cmd, rows, "%s", t.Render())
			})
		},
	}
}

func newStoreResetFence() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reset-fence", Short: "Accept leaders of an election service that was set up anew", Args: cobra.NoArgs,
		Long: `Each leader has a token greater than those of all leaders before, and a store refuses whoever comes with a smaller one. A service of
elections that was set up anew counts from the start again, and so its leaders are refused. reset-fence makes the store forget the greatest
token. Make sure first that no scheduler of the old service runs any more: the store cannot tell it from the new ones.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, false, func(ctx context.Context, s store.Store, p place) error {
				if err := confirm(cmd, "reset-fence lets every scheduler write to %s, one that should be dead included", p); err != nil {
					return err
				}
				if _, err := s.Commit(ctx, store.Batch{ResetFence: true}); err != nil {
					return err
				}
				return emit(cmd, map[string]string{"store": p.String()}, "%s accepts every leader now.", p)
			})
		},
	}
	confirmFlag(cmd)
	return cmd
}

func newAppBackup() *cobra.Command {
	var b backupTo
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write the whole state of the scheduler to a file", Args: cobra.ExactArgs(1),
		Long: `backup writes everything that the scheduler remembers, as it is together at one moment, to FILE, which appears when it is complete and
sound, or to stdout for -. mesokit store restore puts it into a store.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			if err := b.check(args[0]); err != nil {
				return err
			}
			body, err := c.Backup(cmd.Context())
			if err != nil {
				return err
			}
			defer body.Close()
			return b.save(cmd, args[0],
				func(path string) (store.BackupInfo, error) { return store.SaveBackup(path, body) },
				func(w io.Writer) (store.BackupInfo, error) { return store.ReadBackup(io.TeeReader(body, w), nil) })
		}),
	}
	b.flags(cmd)
	return cmd
}
