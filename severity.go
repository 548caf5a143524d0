package qrie

// Severity is 0 to 100 on the scale of the AWS Security Finding Format.
type Severity int

// Band is the word for a range of severities. Only Severity.Band computes it.
type Band string

// The bands, with ASFF's bounds.
const (
	Informational Band = "informational" // 0
	Low           Band = "low"           // 1-39
	Medium        Band = "medium"        // 40-69
	High          Band = "high"          // 70-89
	Critical      Band = "critical"      // 90-100
)

// Bands lists the bands from the worst down.
var Bands = []Band{Critical, High, Medium, Low, Informational}

// Valid reports whether s is on the scale.
func (s Severity) Valid() bool { return s >= 0 && s <= 100 }

// Band returns the band that s lies in.
func (s Severity) Band() Band {
	switch {
	case s >= 90:
		return Critical
	case s >= 70:
		return High
	case s >= 40:
		return Medium
	case s >= 1:
		return Low
	default:
		return Informational
	}
}

// Range returns the least and the greatest severity of the band; ok is false
// for a word that is no band.
func (b Band) Range() (least, greatest Severity, ok bool) {
	switch b {
	case Critical:
		return 90, 100, true
	case High:
		return 70, 89, true
	case Medium:
		return 40, 69, true
	case Low:
		return 1, 39, true
	case Informational:
		return 0, 0, true
	}
	return 0, 0, false
}
