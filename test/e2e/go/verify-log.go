// Verifies a Sallyport audit log with nobody's code but golang.org/x/mod/sumdb/{note,tlog}: the signature of the
// checkpoint, every entry against the root, and proofs. Usage: verify-log <log directory> <vkey> <proofs.json>
// Exit status 0 and one line "ok <size>" when everything holds.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
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

// proofs made by the log's own code, to be checked here.
type proofs struct {
	Inclusion []struct {
		Index int64
		Proof []string
	}
	Consistency []struct {
		Checkpoint string
		Proof      []string
	}
}

func openCheckpoint(text string, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err, "checkpoint signature")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("checkpoint is not three lines of this origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "checkpoint size")
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err, "checkpoint root")
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize {
		fail("checkpoint root has a wrong length")
	}
	return tree
}

func indexPath(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

func read(log, kind string, n int64, width int) ([]byte, error) {
	path := filepath.Join(log, "tile", kind, indexPath(n))
	if width < 256 {
		path += ".p/" + strconv.Itoa(width)
	}
	return os.ReadFile(path)
}

// tiles reads c2sp.org/tlog-tiles files for x/mod, whose own paths are older.
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

// stored keeps all hashes of a tree that is rebuilt from the entries alone.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, index := range indexes {
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

func decodeProof(texts []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, text := range texts {
		var hash tlog.Hash
		bytes, err := hex.DecodeString(text)
		check(err, "proof")
		copy(hash[:], bytes)
		hashes = append(hashes, hash)
	}
	return hashes
}

func main() {
	log := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	check(err, "verifier key")
	text, err := os.ReadFile(filepath.Join(log, "checkpoint"))
	check(err, "checkpoint")
	tree := openCheckpoint(string(text), verifier)

	var hashes stored
	var leaves []tlog.Hash
	for first := int64(0); first < tree.N; first += 256 {
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
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			var header struct{ Seq int64 }
			check(json.Unmarshal(entry, &header), "entry")
			if header.Seq != first+int64(i) {
				fail("entry %d names index %d", first+int64(i), header.Seq)
			}
			more, err := tlog.StoredHashes(header.Seq, entry, hashes)
			check(err, "stored hashes")
			hashes = append(hashes, more...)
			leaves = append(leaves, tlog.RecordHash(entry))
		}
		if len(bundle) != 0 {
			fail("entry bundle %d has more than %d entries", first/256, width)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	check(err, "tree hash")
	if root != tree.Hash {
		fail("entries do not have the root of the checkpoint")
	}

	// The same through the published tiles, which x/mod authenticates against the root.
	reader := tlog.TileHashReader(tree, tiles{log})
	for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		check(err, "inclusion proof from tiles")
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[index]), "inclusion")
	}
	for first := int64(0); first < tree.N; first += 256 {
		var indexes []int64
		for index := first; index < first+256 && index < tree.N; index++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, index))
		}
		found, err := reader.ReadHashes(indexes)
		check(err, "tiles")
		for i, hash := range found {
			if hash != leaves[first+int64(i)] {
				fail("tile hash of entry %d", first+int64(i))
			}
		}
	}

	var made proofs
	bytes, err := os.ReadFile(os.Args[3])
	check(err, "proofs file")
	check(json.Unmarshal(bytes, &made), "proofs file")
	for _, inclusion := range made.Inclusion {
		check(tlog.CheckRecord(decodeProof(inclusion.Proof), tree.N, tree.Hash, inclusion.Index, leaves[inclusion.Index]), "given inclusion proof")
	}
	for _, consistency := range made.Consistency {
		old := openCheckpoint(consistency.Checkpoint, verifier)
		check(tlog.CheckTree(decodeProof(consistency.Proof), tree.N, tree.Hash, old.N, old.Hash), "given consistency proof")
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		check(err, "consistency proof from tiles")
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "consistency")
	}
	fmt.Printf("ok %d inclusion %d consistency %d\n", tree.N, len(made.Inclusion), len(made.Consistency))
}
