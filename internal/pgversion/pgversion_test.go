package pgversion

import "testing"

func TestMajor(t *testing.T) {
	for text, want := range map[string]int{
		"15.18": 15, "15.18 (Debian 15.18-0+deb12u1)": 15, "18beta1": 18, "19devel": 19, "9.6.24": 9, "17": 17,
		"": 0, "beta": 0, " 15": 0, "99999999999999999999": 0,
	} {
		got, err := Major(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("Major(%q) = %d, %v", text, got, err)
		}
	}
	if MajorOfNum(150018) != 15 || MajorOfNum(90624) != 9 {
		t.Error("server_version_num is misread")
	}
}
