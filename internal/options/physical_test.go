package options

import "testing"

func TestPhysicalDefaults(t *testing.T) {
	o, err := DecodePhysical(map[string]string{"location": "postgres+bin://h"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Checkpoint != "fast" || o.SpoolSize != 1<<30 {
		t.Errorf("defaults: %+v", o)
	}
	o, err = DecodePhysical(map[string]string{"spool_size": "0"})
	if err != nil || o.SpoolSize != 0 {
		t.Errorf("spool_size 0: %d %v", o.SpoolSize, err)
	}
}

func TestMaxRate(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "32": 32, "32k": 32, "32kB": 32, "1M": 1024, "1024M": 1 << 20, "1024MB": 1 << 20, "1.5M": 1536, "64 k": 64,
		"31": -1, "1025M": -1, "1G": -1, "fast": -1, "-5M": -1, "1e3": -1, "64K": -1, "NaN": -1,
	} {
		o, err := DecodePhysical(map[string]string{"max_rate": text})
		if (err != nil) != (want < 0) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if kb, _ := o.MaxRateKB(); err == nil && kb != want {
			t.Errorf("%q is %d, want %d", text, kb, want)
		}
	}
}

func TestPhysicalRefuses(t *testing.T) {
	for key, value := range map[string]string{
		"database": "shop", "checkpoint": "never", "spool_size": "much", "jobs": "4", "port": "0",
	} {
		if _, err := DecodePhysical(map[string]string{key: value}); err == nil {
			t.Errorf("%s=%s was accepted", key, value)
		}
	}
}
