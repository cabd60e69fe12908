// Package mesosjson converts between the two encodings of Mesos messages: JSON as Apache Mesos reads
// and writes it, and the protobuf wire format. It never touches a Go message; package codec puts a
// protobuf decoder behind ToWire and an encoder before FromWire. That makes the conversion one pass
// over bytes without an allocation for each field, and the same code serves every message type.
//
// # What is written
//
// Fields in the order of the .proto file, by their original names; 64-bit integers as bare numbers;
// doubles in the shortest form that reads back the same, always with a point or an exponent; enums by
// name; bytes in padded base64; maps as objects with sorted keys; nothing for empty lists. A
// google.protobuf.Duration is a message like any other. Strings are not checked to be UTF-8. So does
// Mesos. Two cases differ, because what Mesos writes is not JSON or is lost:
//
//   - NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity", which Mesos and this
//     package read back; Mesos writes them bare.
//   - An enum number that has no name, which comes from a newer peer, is left out, as Mesos leaves
//     it out; in a required field it is an error.
//
// # What is read
//
// Original names only; unknown fields are skipped, null is a field that is not set, the last of several
// fields with the same name counts. Numbers may be quoted, so may true and false. Fractions given to
// integers lose what follows the point, integers that are too large for 32 bits lose their upper bits,
// as in C++. Where C++ leaves the result open, the nearest number of the type is taken. Enums go by
// name; an unknown name is an error if the field is required and no value otherwise. Base64 may lack
// padding, may contain white space, and ends at the first "=". A single value for a list is a list of
// one, and lists within lists are flattened. An escaped surrogate without its other half becomes
// U+FFFD. Containers nest at most MaxDepth deep.
package mesosjson
