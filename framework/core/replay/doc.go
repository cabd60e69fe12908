// Package replay records what the engine's core is told and what it wanted done, and feeds it to a core again: to reproduce an incident, or to see
// whether a new version would act as the old one did.
//
//	rec, err := replay.NewRecorder(file, cfg, records) // what core.Restore was given
//	rec.Apply(now, inputs, effects)                    // after each Apply, by the shell
//
//	report, err := replay.Replay(ctx, file, cfg)       // later
//
// # The log
//
// A log is lines of text, each a frame: a CRC-32C of the rest of the line in hexadecimal, a space, and an object in JSON. It may be read with less and jq
// (cut -d' ' -f2-), and be followed while it is written. The first frame has the format's version and what of the configuration matters; then come frames
// with the stored records that the core began with; then one frame for each Apply. A log that ends in the middle of a line, because the process was
// killed, is complete up to there.
//
// Mesos events are in the JSON of the wire (mesos/codec), so that a log can be read beside Mesos' documentation. Effects are recorded as they are
// compared: the keys of writes with a checksum of their values, calls in JSON, replies.
//
// A core is deterministic given its seed, its placer and its inputs. A placer of your own has to be, too, and has to be given to Replay.
package replay
