package sqlscript

import "strings"

// charLens are the encodings in which a byte that looks like ASCII may be the last one of a
// character: a backslash or a quote there is none. Only clients have them.
// Source: src/common/wchar.c, https://www.postgresql.org/docs/18/multibyte.html
var charLens = map[string]func(string) int{
	"SJIS": sjis, "SHIFTJIS": sjis, "MSKANJI": sjis, "WIN932": sjis, "WINDOWS932": sjis, "SHIFTJIS2004": sjis,
	"BIG5": twoBytes, "WIN950": twoBytes, "WINDOWS950": twoBytes,
	"GBK": twoBytes, "WIN936": twoBytes, "WINDOWS936": twoBytes,
	"UHC": twoBytes, "WIN949": twoBytes, "WINDOWS949": twoBytes,
	"JOHAB": johab, "GB18030": gb18030,
}

// charLenIn returns the function that tells how many bytes the character takes that a
// text in the encoding begins with.
func charLenIn(encoding string) func(string) int {
	// As pg_char_to_encoding does: only letters and digits count.
	name := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(encoding))
	if f, ok := charLens[name]; ok {
		return f
	}
	return oneByte
}

// oneByte serves every encoding in which all bytes of a long character have the high bit.
func oneByte(string) int { return 1 }

func twoBytes(s string) int { return atMost(s, 2) }

func sjis(s string) int {
	if s[0] >= 0xa1 && s[0] <= 0xdf { // half-width katakana
		return 1
	}
	return atMost(s, 2)
}

func johab(s string) int {
	if s[0] == 0x8f {
		return atMost(s, 3)
	}
	return atMost(s, 2)
}

func gb18030(s string) int {
	if len(s) > 1 && isDigit(s[1]) {
		return atMost(s, 4)
	}
	return atMost(s, 2)
}

// atMost is the length of a character of n bytes, of which some may be cut off.
func atMost(s string, n int) int {
	if s[0] < 0x80 {
		return 1
	}
	return min(n, len(s))
}
