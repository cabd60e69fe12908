// Package placement decides which pending tasks run on which offers, and says why the others wait.
package placement
