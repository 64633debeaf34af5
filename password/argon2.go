package password

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/crypto/blake2b"
)

// This file computes Argon2id as RFC 9106 says, version 0x13, without a secret and associated data. The names are the
// RFC's. The tests compare it with golang.org/x/crypto/argon2, which computes the same but can't serve the Hasher: it
// takes fresh memory for each hash, so that a storm of sign-ins leaves many times what the pool has as garbage, and it
// computes on goroutines of its own, which no choice of the caller's can move to a thread of low priority. The lanes are
// computed one after the other: here many hashes compete for few processors.

// block is the unit of Argon2's memory: 1 KiB.
type block [128]uint64

const (
	argon2Version = 0x13
	argon2Type    = 2 // Argon2id
	slicesPerPass = 4
)

// argon2id returns the tag of a password. It works in memory, which has at least p.memory blocks with whatever is left in
// them.
func (p argon2idParams) argon2id(memory []block, password, salt string, length int) []byte {
	segment := p.memory / (slicesPerPass * p.lanes)
	f := filling{
		argon2idParams: p, segment: segment, lane: slicesPerPass * segment,
		memory: memory[:slicesPerPass*segment*p.lanes],
	}
	f.begin(p.h0(password, salt, length))
	for f.pass = 0; f.pass < p.passes; f.pass++ {
		for f.slice = 0; f.slice < slicesPerPass; f.slice++ {
			for lane := range p.lanes {
				f.fill(lane)
			}
		}
	}
	var last block
	for lane := range p.lanes {
		end := &f.memory[(lane+1)*f.lane-1]
		for i := range last {
			last[i] ^= end[i]
		}
	}
	return longHash(length, last.bytes())
}

// h0 is H_0 of section 3.2.
func (p argon2idParams) h0(password, salt string, length int) []byte {
	le := binary.LittleEndian
	var b []byte
	for _, n := range []uint32{p.lanes, uint32(length), p.memory, p.passes, argon2Version, argon2Type} {
		b = le.AppendUint32(b, n)
	}
	for _, s := range []string{password, salt, "", ""} {
		b = append(le.AppendUint32(b, uint32(len(s))), s...)
	}
	sum := blake2b.Sum512(b)
	return sum[:]
}

// filling is a computation under way.
type filling struct {
	argon2idParams
	memory        []block
	lane, segment uint32 // their lengths in blocks
	pass, slice   uint32

	input, addresses block // of the pseudo-random positions that don't depend on the password
}

// begin sets the first two blocks of each lane.
func (f *filling) begin(h0 []byte) {
	for lane := range f.lanes {
		for i := range uint32(2) {
			seed := binary.LittleEndian.AppendUint32(h0[:len(h0):len(h0)], i)
			seed = binary.LittleEndian.AppendUint32(seed, lane)
			f.memory[lane*f.lane+i].set(longHash(1024, seed))
		}
	}
}

// fill computes one segment: a slice of a lane.
func (f *filling) fill(lane uint32) {
	first := uint32(0)
	if f.pass == 0 && f.slice == 0 {
		first = 2
	}
	independent := f.pass == 0 && f.slice < slicesPerPass/2
	if independent {
		total := uint64(len(f.memory))
		f.input = block{uint64(f.pass), uint64(lane), uint64(f.slice), total, uint64(f.passes), argon2Type}
	}
	for i := first; i < f.segment; i++ {
		at := f.slice*f.segment + i
		previous := &f.memory[lane*f.lane+(at+f.lane-1)%f.lane]
		j := previous[0]
		if independent {
			if i == first || i%128 == 0 {
				f.nextAddresses()
			}
			j = f.addresses[i%128]
		}
		compress(&f.memory[lane*f.lane+at], previous, &f.memory[f.reference(j, lane, i)], f.pass > 0)
	}
}

func (f *filling) nextAddresses() {
	var zero block
	f.input[6]++
	compress(&f.addresses, &zero, &f.input, false)
	compress(&f.addresses, &zero, &f.addresses, false)
}

// reference maps J to the position of a block that is there already (section 3.4.2).
func (f *filling) reference(j uint64, lane, i uint32) uint32 {
	from := uint32(j>>32) % f.lanes
	if f.pass == 0 && f.slice == 0 {
		from = lane
	}
	start, size := uint32(0), f.slice*f.segment
	if f.pass > 0 {
		start, size = (f.slice+1)%slicesPerPass*f.segment, (slicesPerPass-1)*f.segment
	}
	switch {
	case from == lane:
		size += i - 1
	case i == 0:
		size--
	}
	x := j & 0xffffffff
	x = x * x >> 32
	x = uint64(size) * x >> 32
	return from*f.lane + (start+size-1-uint32(x))%f.lane
}

// compress sets dst to G(x, y) (section 3.5), or adds it with XOR to what is there. dst may be x or y.
func compress(dst, x, y *block, add bool) {
	var r, z block
	for row := 0; row < 128; row += 16 {
		a, b := (*[16]uint64)(x[row:]), (*[16]uint64)(y[row:])
		p, q := (*[16]uint64)(r[row:]), (*[16]uint64)(z[row:])
		for i := range p {
			p[i] = a[i] ^ b[i]
			q[i] = p[i]
		}
		permuteRow(q)
	}
	for column := 0; column < 16; column += 2 {
		permuteColumn((*[114]uint64)(z[column:]))
	}
	if !add {
		*dst = block{}
	}
	for i := range dst {
		dst[i] ^= r[i] ^ z[i]
	}
}

// permuteRow is P (section 3.6) of eight neighbouring registers of two words each.
func permuteRow(v *[16]uint64) {
	v[0], v[4], v[8], v[12] = mix(v[0], v[4], v[8], v[12])
	v[1], v[5], v[9], v[13] = mix(v[1], v[5], v[9], v[13])
	v[2], v[6], v[10], v[14] = mix(v[2], v[6], v[10], v[14])
	v[3], v[7], v[11], v[15] = mix(v[3], v[7], v[11], v[15])
	v[0], v[5], v[10], v[15] = mix(v[0], v[5], v[10], v[15])
	v[1], v[6], v[11], v[12] = mix(v[1], v[6], v[11], v[12])
	v[2], v[7], v[8], v[13] = mix(v[2], v[7], v[8], v[13])
	v[3], v[4], v[9], v[14] = mix(v[3], v[4], v[9], v[14])
}

// permuteColumn is P of eight registers that are 16 words apart.
func permuteColumn(v *[114]uint64) {
	v[0], v[32], v[64], v[96] = mix(v[0], v[32], v[64], v[96])
	v[1], v[33], v[65], v[97] = mix(v[1], v[33], v[65], v[97])
	v[16], v[48], v[80], v[112] = mix(v[16], v[48], v[80], v[112])
	v[17], v[49], v[81], v[113] = mix(v[17], v[49], v[81], v[113])
	v[0], v[33], v[80], v[113] = mix(v[0], v[33], v[80], v[113])
	v[1], v[48], v[81], v[96] = mix(v[1], v[48], v[81], v[96])
	v[16], v[49], v[64], v[97] = mix(v[16], v[49], v[64], v[97])
	v[17], v[32], v[65], v[112] = mix(v[17], v[32], v[65], v[112])
}

// mix is GB of section 3.6.
func mix(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -32)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -24)
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -16)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -63)
	return a, b, c, d
}

// longHash is H' (section 3.3).
func longHash(length int, in []byte) []byte {
	in = append(binary.LittleEndian.AppendUint32(nil, uint32(length)), in...)
	var out []byte
	for length-len(out) > blake2b.Size {
		sum := blake2b.Sum512(in)
		in = sum[:]
		out = append(out, in[:blake2b.Size/2]...)
	}
	h, err := blake2b.New(length-len(out), nil)
	if err != nil {
		panic(err) // the length is between 1 and 64
	}
	h.Write(in)
	return h.Sum(out)
}

func (b *block) set(text []byte) {
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(text[8*i:])
	}
}

func (b *block) bytes() []byte {
	var text []byte
	for _, word := range b {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	return text
}
