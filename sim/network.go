package sim

import (
	"strconv"
)

// The network of an account in a Region: one VPC with three zones and a
// public and a private subnet in each. Nobody changes it, so it is derived
// and takes no memory.

func (a *account) vpcID(region string) string {
	return awsID("vpc-", mix(a.hash^hashText(region)^1))
}

func (a *account) subnetID(region string, zone int, public bool) string {
	return awsID("subnet-", mix(a.hash^hashText(region)^uint64(16+zone)+uint64(one(public))<<8))
}

var zoneLetters = [3]string{"a", "b", "c"}

func zoneName(region string, zone int) string { return region + zoneLetters[zone] }

// privateIP lies in the /16 of the account, in the /20 of the zone.
func (a *account) privateIP(zone int, h uint64) string {
	return "10." + strconv.Itoa(16+a.n%200) + "." + strconv.Itoa(zone*16+int(h%16)) + "." + strconv.Itoa(4+int(h>>8%250))
}

// publicIP lies in the blocks that RFC 5737 and RFC 2544 keep for examples
// and tests, so that nobody's address is shown.
func publicIP(h uint64) string {
	return "198." + strconv.Itoa(18+int(h%2)) + "." + strconv.Itoa(int(h>>8%256)) + "." + strconv.Itoa(1+int(h>>16%254))
}

func dashed(ip string) string {
	b := []byte(ip)
	for i, c := range b {
		if c == '.' {
			b[i] = '-'
		}
	}
	return string(b)
}

// privateName is the name that EC2's resolver gives an address. The oldest
// Region has a name of its own.
func privateName(ip, region string) string {
	if region == globalRegion {
		return "ip-" + dashed(ip) + ".ec2.internal"
	}
	return "ip-" + dashed(ip) + "." + region + ".compute.internal"
}

func publicName(ip, region string) string {
	if region == globalRegion {
		return "ec2-" + dashed(ip) + ".compute-1.amazonaws.com"
	}
	return "ec2-" + dashed(ip) + "." + region + ".compute.amazonaws.com"
}

func macAddress(h uint64) string {
	b := append(make([]byte, 0, 17), '0', '2')
	for i := range 5 {
		b = append(b, ':')
		b = appendHex(b, h>>(8*i), 2)
	}
	return string(b)
}
