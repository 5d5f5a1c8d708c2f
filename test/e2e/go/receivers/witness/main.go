// A witness (c2sp.org/tlog-witness, add-checkpoint) for one log, in memory. What it judges with is transparency-dev's, as in omniwitness:
// notes and checkpoints, consistency proofs, cosignatures. Only the request around them is read here.
// Usage: witness <vkey of the log>
// It prints {"url": ..., "vkey": ...}, then the status of each answer, and ends with its standard input.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/transparency-dev/formats/log"
	cosigned "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func must[T any](value T, err error) T {
	if err != nil {
		stdlog.Fatal(err)
	}
	return value
}

type witness struct {
	ofLog  note.Verifier
	signer note.Signer
	// Cosigned last; nil = none.
	seen *log.Checkpoint
}

func (w *witness) addCheckpoint(body string) (int, string) {
	head, checkpoint, found := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	var old uint64
	if n, err := fmt.Sscanf(lines[0], "old %d", &old); !found || n != 1 || err != nil {
		return http.StatusBadRequest, ""
	}
	var hashes [][]byte
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return http.StatusBadRequest, ""
		}
		hashes = append(hashes, hash)
	}
	if !strings.HasPrefix(checkpoint, w.ofLog.Name()+"\n") {
		return http.StatusNotFound, ""
	}
	next, _, opened, err := log.ParseCheckpoint([]byte(checkpoint), w.ofLog.Name(), w.ofLog)
	if err != nil {
		return http.StatusForbidden, ""
	}
	size, root := uint64(0), rfc6962.DefaultHasher.EmptyRoot()
	if w.seen != nil {
		size, root = w.seen.Size, w.seen.Hash
	}
	switch {
	case old > next.Size:
		return http.StatusBadRequest, ""
	case old != size:
		return http.StatusConflict, fmt.Sprintf("%d\n", size)
	case next.Size == size && !bytes.Equal(next.Hash, root):
		return http.StatusConflict, fmt.Sprintf("%d\n", size)
	}
	if size == 0 && len(hashes) > 0 {
		return http.StatusUnprocessableEntity, ""
	}
	if size > 0 && proof.VerifyConsistency(rfc6962.DefaultHasher, size, next.Size, hashes, root, next.Hash) != nil {
		return http.StatusUnprocessableEntity, ""
	}
	signature, err := w.signer.Sign([]byte(opened.Text))
	if err != nil {
		return http.StatusInternalServerError, ""
	}
	w.seen = next
	keyed := append(binary.BigEndian.AppendUint32(nil, w.signer.KeyHash()), signature...)
	return http.StatusOK, fmt.Sprintf("\u2014 %s %s\n", w.signer.Name(), base64.StdEncoding.EncodeToString(keyed))
}

func main() {
	secret, public, err := note.GenerateKey(rand.Reader, "witness.test/third-party")
	if err != nil {
		stdlog.Fatal(err)
	}
	keeper := &witness{ofLog: must(note.NewVerifier(os.Args[1])), signer: must(cosigned.NewSignerForCosignatureV1(secret))}
	requests := make(chan func())
	http.HandleFunc("POST /add-checkpoint", func(w http.ResponseWriter, r *http.Request) {
		body := must(io.ReadAll(r.Body))
		done := make(chan struct{})
		requests <- func() {
			status, text := keeper.addCheckpoint(string(body))
			if status == http.StatusConflict {
				w.Header().Set("Content-Type", "text/x.tlog.size")
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			fmt.Println(status)
			close(done)
		}
		<-done
	})
	go func() {
		for handle := range requests {
			handle()
		}
	}()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	hello := map[string]string{"url": "http://" + listener.Addr().String(), "vkey": must(cosigned.VKeyToCosignatureV1(public))}
	fmt.Println(string(must(json.Marshal(hello))))
	go func() { stdlog.Fatal(http.Serve(listener, nil)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}
