// Verifies what is left of a pruned Sallyport audit log with nobody's code but golang.org/x/mod/sumdb/{note,tlog}: the tiles against the
// signed root, every entry that is there, inclusion of entries and consistency with older checkpoints.
// Usage: verify-pruned <log directory> <vkey> <older checkpoint>...
// Exit status 0 and one line "ok <size> from <minimum index> entries <n> consistency <n>" when everything holds.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...interface{}) {
	fmt.Printf("FAIL "+format+"\n", args...)
	os.Exit(1)
}

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func openCheckpoint(path string, verifier note.Verifier) tlog.Tree {
	text, err := os.ReadFile(path)
	check(err, "checkpoint")
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err, "checkpoint signature")
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "checkpoint size")
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err, "checkpoint root")
	tree := tlog.Tree{N: size}
	if lines[0] != verifier.Name() || copy(tree.Hash[:], root) != tlog.HashSize {
		fail("checkpoint of another log")
	}
	return tree
}

func read(log, kind string, n int64, width int) ([]byte, error) {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	path = filepath.Join(log, "tile", kind, path)
	if width < 256 {
		path += ".p/" + strconv.Itoa(width)
	}
	return os.ReadFile(path)
}

type tiles struct{ log string }

func (t tiles) Height() int { return 8 }
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		bytes, err := read(t.log, strconv.Itoa(tile.L), tile.N, tile.W)
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	log := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	check(err, "verifier key")
	tree := openCheckpoint(filepath.Join(log, "checkpoint"), verifier)
	text, err := os.ReadFile(filepath.Join(log, "minimum-index"))
	check(err, "minimum index")
	minimum, err := strconv.ParseInt(strings.TrimSuffix(string(text), "\n"), 10, 64)
	check(err, "minimum index")

	// Reads nothing that the signed root does not authenticate.
	hashes := tlog.TileHashReader(tree, tiles{log})
	root, err := tlog.TreeHash(tree.N, hashes)
	check(err, "root from the tiles")
	if root != tree.Hash {
		fail("the tiles have another root")
	}
	entries := 0
	for first := minimum; first < tree.N; first += 256 {
		width := 256
		if tree.N-first < 256 {
			width = int(tree.N - first)
		}
		bundle, err := read(log, "entries", first/256, width)
		check(err, "entry bundle")
		for i := 0; i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("entry bundle %d ends early", first/256)
			}
			length := int(binary.BigEndian.Uint16(bundle))
			index := first + int64(i)
			leaf := tlog.RecordHash(bundle[2 : 2+length])
			bundle = bundle[2+length:]
			entries++
			// The edges, and some between.
			if index > minimum+2 && index < tree.N-2 && index%61 != 0 {
				continue
			}
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			check(err, "inclusion proof")
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf), "inclusion")
		}
	}
	if minimum > 0 {
		if _, err := tlog.ProveRecord(tree.N, minimum-1, hashes); err == nil {
			fail("entry %d was pruned, but its proof is there", minimum-1)
		}
	}
	for _, path := range os.Args[3:] {
		old := openCheckpoint(path, verifier)
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		check(err, fmt.Sprintf("consistency proof from %d", old.N))
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "consistency")
	}
	fmt.Printf("ok %d from %d entries %d consistency %d\n", tree.N, minimum, entries, len(os.Args)-3)
}
