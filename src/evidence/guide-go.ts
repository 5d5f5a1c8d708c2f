// The Go programme of VERIFY.md: checks the log part of a bundle with nobody's code but golang.org/x/mod/sumdb/{note,tlog}.

export const GO_PROGRAM = `// Usage: check-log <bundle> <vkey> <end>
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error, what string) {
	if err != nil {
		fmt.Printf("FAIL %s: %v\\n", what, err)
		os.Exit(1)
	}
}

func open(log, name string, verifier note.Verifier) tlog.Tree {
	text, err := os.ReadFile(filepath.Join(log, name))
	check(err, name)
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err, name)
	lines := strings.Split(opened.Text, "\\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		check(fmt.Errorf("not three lines of this log"), name)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, name)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err, name)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize {
		check(fmt.Errorf("root has a wrong length"), name)
	}
	return tree
}

type tiles struct{ log string }

func (t tiles) path(kind string, n int64, width int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < 256 {
		path += ".p/" + strconv.Itoa(width)
	}
	return filepath.Join(t.log, "tile", kind, path)
}
func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte)     {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		bytes, err := os.ReadFile(t.path(strconv.Itoa(tile.L), tile.N, tile.W))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func main() {
	log := filepath.Join(os.Args[1], "log")
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	check(err, "key")
	end, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err, "end")
	tree := open(log, "checkpoint", verifier)
	start := open(log, "checkpoint.start", verifier)
	files := tiles{log}
	reader := tlog.TileHashReader(tree, files)

	// The log of the range's beginning is a prefix of the log of the checkpoint.
	if start.N > 0 {
		proof, err := tlog.ProveTree(tree.N, start.N, reader)
		check(err, "consistency proof")
		check(tlog.CheckTree(proof, tree.N, tree.Hash, start.N, start.Hash), "consistency")
	}

	// Every entry of the range is there, is the one under the root, and names its own index.
	for first := start.N - start.N%256; first < end; first += 256 {
		width := 256
		if tree.N-first < 256 {
			width = int(tree.N - first)
		}
		bundle, err := os.ReadFile(files.path("entries", first/256, width))
		check(err, "entries")
		var indexes []int64
		for i := 0; i < width; i++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		hashes, err := reader.ReadHashes(indexes)
		check(err, "tiles")
		for i := 0; i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				check(fmt.Errorf("file ends early"), "entries")
			}
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			if tlog.RecordHash(entry) != hashes[i] {
				check(fmt.Errorf("entry %d is not the one that was signed", first+int64(i)), "entries")
			}
			var header struct{ Seq int64 }
			check(json.Unmarshal(entry, &header), "entry")
			if header.Seq != first+int64(i) {
				check(fmt.Errorf("entry %d names another index", first+int64(i)), "entries")
			}
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("more than %d entries in a file", width), "entries")
		}
	}
	fmt.Printf("ok: entries %d to %d of %d\\n", start.N, end, tree.N)
}
`;
