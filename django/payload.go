package django

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// maxPayload limits the JSON of one session, in bytes. Only Django and this program can sign it, so this is no defence
// against strangers.
const maxPayload = 16 << 20

// pack makes P (see sign.go) of JSON. It converts the JSON to ASCII and, like Django, compresses it if that makes it at
// least two bytes shorter.
func pack(json []byte) (string, error) {
	plain := ascii(json)
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if b.Len() < len(plain)-1 {
		return "." + base64.RawURLEncoding.EncodeToString(b.Bytes()), nil
	}
	return base64.RawURLEncoding.EncodeToString(plain), nil
}

// unpack returns the JSON in P.
func unpack(payload string) ([]byte, error) {
	encoded, compressed := strings.CutPrefix(payload, ".")
	// Python's decoder accepts padding too. The signature has been verified, so leniency is safe.
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return nil, fmt.Errorf("decode session data: %w", err)
	}
	if !compressed {
		return fromLatin1(data), nil
	}
	data, err = decompress(data)
	if err != nil {
		return nil, fmt.Errorf("decompress session data: %w", err)
	}
	if len(data) > maxPayload {
		return nil, errors.New("session data is over 16 MiB")
	}
	return fromLatin1(data), nil
}

// decompressors are readers of zlib that have been used, since a new one takes 40 kB of memory.
var decompressors sync.Pool

// decompress returns at most one byte more than maxPayload.
func decompress(data []byte) (plain []byte, err error) {
	from := bytes.NewReader(data)
	r, used := decompressors.Get().(io.ReadCloser)
	if used {
		err = r.(zlib.Resetter).Reset(from, nil)
	} else {
		r, err = zlib.NewReader(from)
	}
	if err != nil {
		return nil, err
	}
	defer decompressors.Put(r)
	return io.ReadAll(io.LimitReader(r, maxPayload+1))
}

// ascii replaces every non-ASCII character of JSON, which can only be inside its strings, with \uXXXX, since Django decodes
// the bytes as latin-1.
func ascii(json []byte) []byte {
	if !bytes.ContainsFunc(json, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return json
	}
	out := make([]byte, 0, len(json)+len(json)/2)
	for _, r := range string(json) { // invalid UTF-8 becomes U+FFFD
		switch high, low := utf16.EncodeRune(r); {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case high == utf8.RuneError:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
	}
	return out
}

func fromLatin1(data []byte) []byte {
	if !bytes.ContainsFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return data
	}
	out := make([]byte, 0, 2*len(data))
	for _, b := range data {
		out = utf8.AppendRune(out, rune(b))
	}
	return out
}
