package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A backup is a file of lines and counted bytes:
//
//	mesokit-backup/1 {"created":"2026-11-21T14:00:00Z","revision":7,"records":2}
//	10 4 8f0c1a2b                   bytes of the key, bytes of the value, CRC-32C of both
//	tasks/web.1
//	{…}
//	…
//	end 2 9f86d081…                 records, SHA-256 of all that is before this line
//
// Keys rise strictly. Each record tells by its own checksum whether it is whole, so that a damaged file names the place.
const (
	backupMagic   = "mesokit-backup/"
	backupVersion = 1
	maxBackupLine = 4096
)

// BackupInfo describes a backup.
type BackupInfo struct {
	// Created is when the backup was made.
	Created time.Time `json:"created"`
	// Revision of the store that the backup shows; a restored store has revisions of its own.
	Revision Revision `json:"revision"`
	// Records in the backup.
	Records int `json:"records"`
}

// Backup writes all records of s, as they are together at one revision, to w. Fencing tokens are not part of a backup. The store may be in use.
func Backup(ctx context.Context, s Store, w io.Writer) (BackupInfo, error) {
	records, revision, err := s.List(ctx, "")
	if err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	info := BackupInfo{Created: time.Now().UTC().Truncate(time.Second), Revision: revision, Records: len(records)}
	header, err := json.Marshal(info)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	fmt.Fprintf(out, "%s%d %s\n", backupMagic, backupVersion, header)
	for _, r := range records {
		if err := context.Cause(ctx); err != nil {
			return BackupInfo{}, fmt.Errorf("backup: %w", err)
		}
		fmt.Fprintf(out, "%d %d %08x\n%s\n", len(r.Key), len(r.Value), recordSum(r.Key, r.Value), r.Key)
		_, _ = out.Write(r.Value) // the writer keeps its first error for Flush
		_ = out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	if _, err := fmt.Fprintf(w, "end %d %x\n", len(records), sum.Sum(nil)); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	return info, nil
}

func recordSum(key string, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, value)
}

// BackupFile writes a backup to a file, which appears under its name only when it is complete and on the disk, in place of an
// older one.
func BackupFile(ctx context.Context, s Store, path string) (BackupInfo, error) {
	return save(path, func(f io.Writer) (BackupInfo, error) { return Backup(ctx, s, f) })
}

// SaveBackup writes a backup that comes from elsewhere, as over the network, to a file. It appears under its name only when it was read
// to its end, is sound and on the disk; before, an older one stays. The error may be a *CorruptError or a *NewerVersionError.
func SaveBackup(path string, r io.Reader) (BackupInfo, error) {
	return save(path, func(f io.Writer) (BackupInfo, error) { return ReadBackup(io.TeeReader(r, f), nil) })
}

// save lets write fill the file at path, all or nothing.
func save(path string, write func(io.Writer) (BackupInfo, error)) (info BackupInfo, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // twice does no harm
			_ = os.Remove(f.Name())
		}
	}()
	if info, err = write(f); err != nil {
		return BackupInfo{}, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	// The name must be on the disk, too. Not all file systems can do that.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return info, nil
}

// RestoreOptions say what Restore may do.
type RestoreOptions struct {
	// Replace lets the backup replace all records that the store has; without it, a store that has records is refused.
	Replace bool
}

// Restore reads a whole backup, from any kind of store, checks it, and then puts its records into s in one batch: all or
// nothing. It raises the fence: a scheduler that leads is refused with ErrFenced from then on, since it does not know what is
// stored now. It returns ErrNotEmpty, *CorruptError, *NewerVersionError and the errors of s.
func Restore(ctx context.Context, s Store, r io.Reader, opts RestoreOptions) (BackupInfo, error) {
	batch := Batch{RaiseFence: true}
	info, err := ReadBackup(r, func(key string, value []byte) error {
		batch.Ops = append(batch.Ops, Put(key, value))
		return context.Cause(ctx)
	})
	if err != nil {
		return BackupInfo{}, fmt.Errorf("restore: %w", err)
	}
	present, _, err := s.List(ctx, "")
	if err != nil {
		return BackupInfo{}, fmt.Errorf("restore: %w", err)
	}
	if len(present) > 0 && !opts.Replace {
		return BackupInfo{}, fmt.Errorf("restore: %w (%d, the first is %q)", ErrNotEmpty, len(present), present[0].Key)
	}
	restored := make(map[string]bool, len(batch.Ops))
	for _, op := range batch.Ops {
		restored[op.Key] = true
	}
	for _, r := range present {
		// The check also notices a scheduler that still writes.
		batch.Ops = append(batch.Ops, Check(r.Key, r.Revision))
		if !restored[r.Key] {
			batch.Ops = append(batch.Ops, Delete(r.Key))
		}
	}
	if _, err := s.Commit(ctx, batch); err != nil {
		return BackupInfo{}, fmt.Errorf("restore: %w", err)
	}
	return info, nil
}

// RestoreFile restores the backup in a file.
func RestoreFile(ctx context.Context, s Store, path string, opts RestoreOptions) (BackupInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("restore: %w", err)
	}
	defer f.Close()
	info, err := Restore(ctx, s, f, opts)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("%s: %w", path, err)
	}
	return info, nil
}

// ReadBackup reads a backup to its end and calls each for every record, which may be nil. Whether the backup is whole is known when
// it returns: before, nothing irrevocable should be done.
func ReadBackup(r io.Reader, each func(key string, value []byte) error) (BackupInfo, error) {
	b := &backupReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	info, err := b.read(each)
	var unsound unsoundError
	if errors.As(err, &unsound) {
		return BackupInfo{}, &CorruptError{Where: b.where(), Reason: string(unsound)}
	}
	return info, err
}

// unsoundError is what is wrong with a backup, before the place is added.
type unsoundError string

func (e unsoundError) Error() string { return string(e) }

type backupReader struct {
	in      *bufio.Reader
	sum     hash.Hash
	offset  int64
	records int
}

func (b *backupReader) where() string {
	return fmt.Sprintf("the backup, at record %d before byte %d,", b.records+1, b.offset)
}

func (b *backupReader) read(each func(string, []byte) error) (BackupInfo, error) {
	header, err := b.line()
	if err != nil {
		return BackupInfo{}, err
	}
	rest, ok := strings.CutPrefix(header, backupMagic)
	versionText, infoText, ok2 := strings.Cut(rest, " ")
	version, ok3 := canonicalInt(versionText)
	if !ok || !ok2 || !ok3 || version < 1 {
		return BackupInfo{}, unsoundError("it does not begin with " + backupMagic)
	}
	if version > backupVersion {
		return BackupInfo{}, &NewerVersionError{Where: "the backup", Kind: "backup", Version: version, Supported: backupVersion}
	}
	var info BackupInfo
	if err := json.Unmarshal([]byte(infoText), &info); err != nil {
		return BackupInfo{}, unsoundError("its first line is malformed: " + err.Error())
	}
	b.sum.Write([]byte(header + "\n"))
	last := ""
	for {
		line, err := b.line()
		if err != nil {
			return BackupInfo{}, err
		}
		if trailer, ok := strings.CutPrefix(line, "end "); ok {
			return info, b.end(trailer, info.Records)
		}
		key, value, err := b.record(line)
		if err != nil {
			return BackupInfo{}, err
		}
		if key <= last {
			return BackupInfo{}, unsoundError(fmt.Sprintf("key %.100q does not come after %.100q", key, last))
		}
		last = key
		b.records++
		if each != nil {
			if err := each(key, value); err != nil {
				return BackupInfo{}, err
			}
		}
	}
}

// record reads what follows the line of a record.
func (b *backupReader) record(line string) (string, []byte, error) {
	fields := strings.Split(line, " ")
	if len(fields) != 3 || len(fields[2]) != 8 {
		return "", nil, unsoundError("the line of a record is malformed")
	}
	keySize, ok := canonicalInt(fields[0])
	valueSize, ok2 := canonicalInt(fields[1])
	sum, err := strconv.ParseUint(fields[2], 16, 32)
	if !ok || !ok2 || err != nil || keySize > MaxKey || valueSize > MaxValue {
		return "", nil, unsoundError("the line of a record is malformed")
	}
	buf := make([]byte, keySize+1+valueSize+1)
	n, err := io.ReadFull(b.in, buf)
	b.offset += int64(n)
	if err != nil {
		return "", nil, ended(err)
	}
	key, value := string(buf[:keySize]), buf[keySize+1:keySize+1+valueSize:keySize+1+valueSize]
	if buf[keySize] != '\n' || buf[len(buf)-1] != '\n' {
		return "", nil, unsoundError("a record is longer than its line says")
	}
	if err := ValidateKey(key); err != nil {
		return "", nil, unsoundError(err.Error())
	}
	if got := recordSum(key, value); uint64(got) != sum {
		return "", nil, unsoundError(fmt.Sprintf("the checksum of %.100q is %08x, its line says %08x", key, got, sum))
	}
	b.sum.Write([]byte(line + "\n"))
	b.sum.Write(buf)
	return key, value, nil
}

// end checks the last line, and that it is the last one.
func (b *backupReader) end(trailer string, records int) error {
	countText, sumText, _ := strings.Cut(trailer, " ")
	count, ok := canonicalInt(countText)
	switch {
	case !ok:
		return unsoundError("its last line is malformed")
	case count != b.records || records != b.records:
		return unsoundError(fmt.Sprintf("it has %d records, its first line says %d, its last one %d", b.records, records, count))
	case sumText != hex.EncodeToString(b.sum.Sum(nil)):
		return unsoundError("its SHA-256 is not what its last line says")
	}
	if _, err := b.in.ReadByte(); err == nil {
		return unsoundError("something follows its last line")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// line reads a line without its end.
func (b *backupReader) line() (string, error) {
	var line []byte
	for {
		part, err := b.in.ReadSlice('\n')
		b.offset += int64(len(part))
		line = append(line, part...)
		if len(line) > maxBackupLine {
			return "", unsoundError("a line is too long")
		}
		if err == nil {
			return string(line[:len(line)-1]), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", ended(err)
		}
	}
}

// ended makes the end of a file in the middle of a backup an unsoundError.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unsoundError("it ends early")
	}
	return err
}
