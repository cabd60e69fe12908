package transport

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// secretFields are the fields of Mesos messages that hold secrets, by full name.
var secretFields = map[protoreflect.FullName]bool{
	"mesos.v1.Secret.Value.data": true,
	"mesos.v1.Credential.secret": true,
}

// Redact returns m with its secrets masked: a copy if there are any, m itself if there are none. Secrets are
// Secret.Value.data wherever it occurs (environment variables, volumes, image pull secrets) and Credential.secret.
// Plain environment variables are none for Mesos either.
func Redact(m proto.Message) proto.Message {
	if m == nil || !m.ProtoReflect().IsValid() || !hasSecret(m.ProtoReflect()) {
		return m
	}
	m = proto.Clone(m)
	maskSecrets(m.ProtoReflect())
	return m
}

func hasSecret(m protoreflect.Message) bool {
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if secretFields[fd.FullName()] {
			found = true
			return false
		}
		eachMessage(fd, v, func(sub protoreflect.Message) bool {
			found = hasSecret(sub)
			return !found
		})
		return !found
	})
	return found
}

func maskSecrets(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if secretFields[fd.FullName()] {
			if fd.Kind() == protoreflect.BytesKind {
				m.Set(fd, protoreflect.ValueOfBytes([]byte(masked)))
			} else {
				m.Set(fd, protoreflect.ValueOfString(masked))
			}
			return true
		}
		eachMessage(fd, v, func(sub protoreflect.Message) bool {
			maskSecrets(sub)
			return true
		})
		return true
	})
}

// eachMessage calls visit for every message in a field until it returns false.
func eachMessage(fd protoreflect.FieldDescriptor, v protoreflect.Value, visit func(protoreflect.Message) bool) {
	switch {
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return
		}
		v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { return visit(v.Message()) })
	case fd.Message() == nil:
	case fd.IsList():
		for i := range v.List().Len() {
			if !visit(v.List().Get(i).Message()) {
				return
			}
		}
	default:
		visit(v.Message())
	}
}
